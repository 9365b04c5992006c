"""The `text` signal: faults of an answer that need no model to be seen.

A failure escalates at once and costs a frontier call, so each check here prefers silence to a false alarm.
"""

from __future__ import annotations

import re

from custom_router.confidence.base import Answer, Expectations, Failure
from custom_router.confidence.form import json_fault, unusable_call
from custom_router.confidence.language import other_script
from custom_router.confidence.refusal import refuses
from custom_router.request import RequestView, head_and_tail

_READ = 6_000
"""Characters, head and tail, of a prompt in which a wish for repetition is looked for."""


def failures(view: RequestView, answer: Answer, expected: Expectations) -> tuple[Failure, ...]:
    """Every plain fault of the answer, in the order of `Failure`. Pure; never raises, whatever the texts."""
    text = answer.text.strip()
    found: list[Failure] = []
    in_words = bool(text) and not answer.tool_calls and not answer.unread
    if not text and not answer.tool_calls and not answer.unread:
        found.append(Failure.EMPTY)
    if answer.finish_reason == "length" and view.max_output_tokens is None:
        found.append(Failure.TRUNCATED)
    if text and _repeated(text, view.text):
        found.append(Failure.REPEATED)
    if in_words and refuses(text, view.text):
        found.append(Failure.REFUSAL)
    if in_words and expected.json_schema is not None:
        fault = json_fault(text, expected.json_schema)
        found.extend([fault] if fault else [])
    if any(unusable_call(call, view, expected) for call in answer.tool_calls):
        found.append(Failure.INVALID_TOOL_CALL)
    if text and expected.json_schema is None and other_script(view, text):
        found.append(Failure.LANGUAGE_MISMATCH)
    return tuple(found)


# A loop is the same text again and again up to the end, the last round cut anywhere.
_LOOP_TAIL = 4_000
_PERIODS_TRIED = 4
"""The last words may occur more than once a round, which hides the round's true length from the nearest match."""

_ASKED_AGAIN = re.compile(
    r"repeat|over and over|\b(?:\d{2,}|hundred|thousand|many) times\b|wiederhol|\d{2,} ?mal\b|répét"
    r"|\d{2,} (?:fois|veces|vezes|volte)|repit|ripet|重复|重複|\d{2,} ?[遍次回]|繰り返|повтор",
    re.IGNORECASE,
)


def _repeated(text: str, prompt: str) -> bool:
    tail = text[-_LOOP_TAIL:]
    before = len(tail) - 24
    for _ in range(_PERIODS_TRIED):
        before = tail.rfind(tail[-24:], 0, before + 23)
        if before < 0:
            return False
        if _loops(tail, len(tail) - 24 - before):
            return not _ASKED_AGAIN.search(head_and_tail(prompt, _READ))
    return False


def _loops(tail: str, period: int) -> bool:
    unit = tail[-period:]
    covered = period
    while covered + period <= len(tail) and tail[-covered - period : -covered] == unit:
        covered += period
    if not any(char.isalpha() for char in unit):
        return covered >= 2_000  # rulers, zeros and empty table cells are a layout until they fill the page
    return covered >= 200 and covered // period >= (3 if period >= 80 else 5)
