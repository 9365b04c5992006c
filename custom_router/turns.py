"""What a turn continues: tool loops, confirmations and follow-ups are judged as the turn they belong to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from importlib import resources
from itertools import pairwise

import yaml

from custom_router.request import ENCODED_CHARS, RequestView, Turn, head_and_tail
from custom_router.signals import Signal, detect_signals

_LONGEST_CONFIRMATION = 40
_LONGEST_FOLLOW_UP = 120
_ALWAYS_FOLLOW_UP = 25
"""A later turn as short as this says too little to stand alone."""
_AGREEING = "👍👌🙏✅"
_EDGES = f" \t\r\n.,;:!?¡¿…。，！？、；'\"()\ufe0f🏻🏼🏽🏾🏿{_AGREEING}"
_PAUSE = re.compile(r"[.,;!?…。，！？、；]+")
_CHARS_PER_TOKEN = 4
_LOOK_BACK = 100
"""Turns of a conversation that are looked through."""


class TurnKind(StrEnum):
    """How a turn stands to those before it."""

    NEW = "new"
    FOLLOW_UP = "follow_up"
    CONFIRMATION = "confirmation"
    TOOL_LOOP = "tool_loop"


@dataclass(frozen=True, slots=True)
class Standing:
    """A turn's kind and the request to judge in its place: for a tool loop or a confirmation the turn they continue as
    it stood when it was asked, for a follow-up the turn it builds on and itself. `continues` is the earlier request
    whose tier counts here; None for a new one, and for one that continues what only its provider has."""

    kind: TurnKind
    judged: RequestView
    continues: RequestView | None = None


@dataclass(frozen=True, slots=True)
class _Phrases:
    confirmations: frozenset[str]
    references: frozenset[str]


@cache
def _phrases() -> _Phrases:
    text = (resources.files("custom_router") / "artifacts" / "short_turns.yaml").read_text(encoding="utf-8")
    data = yaml.safe_load(text)
    gathered = {
        name: frozenset(_bare(phrase) for phrases in data[name].values() for phrase in phrases)
        for name in ("confirmations", "references")
    }
    return _Phrases(**gathered)


def _bare(text: str) -> str:
    """Casefolded words with one blank between them and no marks at their edges."""
    return " ".join(filter(None, (word.strip(_EDGES) for word in text.casefold().split())))


def is_confirmation(text: str) -> bool:
    """Whether a text is nothing but a short yes, thanks or go-on, or several of them, in a language we know."""
    if len(text) > _LONGEST_CONFIRMATION:
        return False
    known, bare = _phrases().confirmations, _bare(text)
    if not bare:
        return any(mark in text for mark in _AGREEING)
    return bare in known or all(_bare(part) in known for part in _PAUSE.split(text) if _bare(part))


def _refers_back(text: str) -> bool:
    """Whether a later turn leans on what was said before."""
    if len(text) <= _ALWAYS_FOLLOW_UP:
        return True
    if len(text) > _LONGEST_FOLLOW_UP:
        return False
    words = _bare(text).split()
    known = _phrases().references
    pairs = (f"{a} {b}" for a, b in pairwise(words))
    return any(word in known for word in words) or any(pair in known for pair in pairs)


def stand(view: RequestView) -> Standing:
    """How the last turn stands to those before it."""
    if view.malformed or not (view.history or view.resumes):
        return Standing(TurnKind.NEW, view)
    if view.resumes and not view.text and view.history and view.loop == len(view.history):
        return Standing(TurnKind.TOOL_LOOP, view)
    looping = any(turn.role in ("tool", "function") for turn in view.history[len(view.history) - view.loop :])
    start = _before_loop(view) if view.loop else view
    opening = _at_last_substantive(start)
    if opening is None:
        unknown = TurnKind.CONFIRMATION if view.resumes else TurnKind.NEW
        return Standing(TurnKind.TOOL_LOOP if looping else unknown, start if looping else view)
    kind = TurnKind.TOOL_LOOP if looping else TurnKind.NEW if opening is start else TurnKind.CONFIRMATION
    base = _built_on(opening)
    judged = opening if base is None else _joined(base, opening)
    if kind is not TurnKind.NEW:
        return Standing(kind, judged, judged)
    return Standing(kind, view) if base is None else Standing(TurnKind.FOLLOW_UP, judged, base)


def _before_loop(view: RequestView) -> RequestView:
    """The request as it was when its last user turn was asked."""
    return _as_asked(view, view.history[: len(view.history) - view.loop], view.text)


def _at_last_substantive(view: RequestView) -> RequestView | None:
    """The request at its last user turn that is no confirmation; None where every one is."""
    if not is_confirmation(view.text):
        return view
    index = next(_substantive(view.history), None)
    return None if index is None else _as_asked(view, view.history[:index], view.history[index].text)


def _built_on(view: RequestView) -> RequestView | None:
    """The earlier request that the last turn leans on; None for a turn that stands alone."""
    if not _refers_back(view.text.strip()):
        return None
    found = None
    for index in _substantive(view.history):
        found = index
        if not _refers_back(view.history[index].text.strip()):
            break  # else a follow-up itself: the turn before it is what both are about
    return None if found is None else _as_asked(view, view.history[:found], view.history[found].text)


def _substantive(history: tuple[Turn, ...]) -> Iterator[int]:
    """Places of the user turns that say something, latest first, as far back as anyone would refer."""
    for index in range(len(history) - 1, max(len(history) - 1 - _LOOK_BACK, -1), -1):
        turn = history[index]
        if turn.role == "user" and turn.text.strip() and not is_confirmation(turn.text):
            yield index


def _joined(base: RequestView, view: RequestView) -> RequestView:
    earlier = head_and_tail(base.text.strip(), ENCODED_CHARS // 2)
    return _as_asked(view, view.history, f"{earlier}\n{view.text.strip()}")


def _as_asked(view: RequestView, history: tuple[Turn, ...], text: str) -> RequestView:
    """The view with another last turn and what came before it, all else that depends on them read again."""
    chars = len(view.system) + len(text) + sum(len(turn.text) for turn in history)
    signals = detect_signals(
        text,
        tools=view.tools,
        attachments=view.images + view.attachments,
        json_mode=Signal.JSON in view.signals,
    )
    return replace(view, text=text, history=history, loop=0, signals=signals, input_tokens=chars // _CHARS_PER_TOKEN)
