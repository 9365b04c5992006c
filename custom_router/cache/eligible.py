"""Which requests and answers take part in the cache at all. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any

import yaml

from custom_router.domains.patterns import compile_pattern
from custom_router.domains.text import normalise, spaced_once
from custom_router.domains.words import WholeWords
from custom_router.policy.cache import CachePolicy
from custom_router.request import RequestView


class Ineligible(StrEnum):
    """Why a request or an answer takes no part: the `guard` of a record whose cache status is `bypass`."""

    DISABLED = "disabled"
    SCOPE_OFF = "scope_off"
    NO_TENANT = "no_tenant"
    ASKED_BYPASS = "asked_bypass"
    ASKED_REFRESH = "asked_refresh"
    MODE = "mode"
    UNDECIDED = "undecided"
    NO_GROUP = "no_group"
    FIELD = "field"
    UNREADABLE = "unreadable"
    TOOLS = "tools"
    ATTACHMENT = "attachment"
    SEVERAL_ANSWERS = "several_answers"
    TEMPERATURE = "temperature"
    STATEFUL = "stateful"
    TOO_LONG = "too_long"
    PERSONAL = "personal"
    TIME_DEPENDENT = "time_dependent"
    ANSWER_NOT_ACCEPTED = "answer_not_accepted"
    ANSWER_TOO_LONG = "answer_too_long"
    ANSWER_INVALIDATED = "answer_invalidated"


MEANING: dict[Ineligible, str] = {
    Ineligible.DISABLED: "the policy's cache is off",
    Ineligible.SCOPE_OFF: "the domain, the team or the key allows no cache",
    Ineligible.NO_TENANT: "nobody is known whom the answer could belong to",
    Ineligible.ASKED_BYPASS: "the request asked to go past the cache",
    Ineligible.ASKED_REFRESH: "the request asked for a new answer, which is stored",
    Ineligible.MODE: "the policy's mode is shadow or off",
    Ineligible.UNDECIDED: "a stage of the decision failed, so it is not known which limits hold",
    Ineligible.NO_GROUP: "LiteLLM's configuration has no model group for stored answers",
    Ineligible.FIELD: "a field of the request asks for more than text, or is not known",
    Ineligible.UNREADABLE: "the question is not one plain text",
    Ineligible.TOOLS: "tools are offered or were called",
    Ineligible.ATTACHMENT: "images or files are attached",
    Ineligible.SEVERAL_ANSWERS: "more than one answer is asked for",
    Ineligible.TEMPERATURE: "the temperature asks for variety",
    Ineligible.STATEFUL: "the request leans on what a provider remembers",
    Ineligible.TOO_LONG: "the text is longer than the router reads",
    Ineligible.PERSONAL: "the text looks personal",
    Ineligible.TIME_DEPENDENT: "the text asks about a moment",
    Ineligible.ANSWER_NOT_ACCEPTED: "the answer was refused, cut, doubtful or broken",
    Ineligible.ANSWER_TOO_LONG: "the answer is longer than the policy stores",
    Ineligible.ANSWER_INVALIDATED: "while the answer was under way, entries like it were dropped",
}

_STATEFUL = ("previous_response_id", "conversation", "background", "container")
_SENTENCE_END = re.compile(r"[.?!\n]+")
READ_LIMIT = 32_000
"""Characters of a question; a longer one is hardly asked twice."""


@dataclass(frozen=True, slots=True)
class _Words:
    """What makes a text personal or time-dependent, compiled."""

    personal: WholeWords
    disclosed: WholeWords
    general: WholeWords
    time: WholeWords
    identifiers: tuple[Any, ...]

    @classmethod
    @cache
    def shipped(cls) -> _Words:
        file = resources.files("custom_router.cache") / "words" / "eligibility.yaml"
        fields = yaml.safe_load(file.read_text(encoding="utf-8"))
        identifiers = tuple(compile_pattern(pattern) for pattern in fields.pop("identifiers"))

        def words(kind: str) -> WholeWords:
            return WholeWords(
                [spaced_once(normalise(entry)) for language in fields.values() for entry in language[kind]], ()
            )

        return cls(words("personal"), words("disclosed"), words("general"), words("time"), identifiers)

    def asks_of_own(self, sentence: str) -> bool:
        """Whether a sentence asks for somebody's own affairs, not for how something is done."""
        return self.personal.find(sentence)[0] is not None and self.general.find(sentence)[0] is None


def ineligible_body(view: RequestView, body: Mapping[str, Any], policy: CachePolicy) -> Ineligible | None:
    """Why the request takes no part, its words apart; None where it does."""
    if view.malformed:
        return Ineligible.UNREADABLE
    if view.tools or any(turn.role in ("tool", "function") for turn in view.history):
        return Ineligible.TOOLS
    if view.images or view.attachments:
        return Ineligible.ATTACHMENT
    if view.n > 1:
        return Ineligible.SEVERAL_ANSWERS
    temperature = body.get("temperature")
    if temperature is not None and not (isinstance(temperature, int | float) and temperature <= policy.max_temperature):
        return Ineligible.TEMPERATURE
    if any(body.get(name) for name in _STATEFUL):
        return Ineligible.STATEFUL
    return None


def ineligible_text(text: str, policy: CachePolicy) -> Ineligible | None:
    """Why a question with these words takes no part; None where it does."""
    if len(text) > READ_LIMIT:
        return Ineligible.TOO_LONG
    if not text.strip() or not _is_unicode(text):
        return Ineligible.UNREADABLE
    words = _Words.shipped()
    normal = normalise(text)
    read = spaced_once(normal)
    if not policy.personal and (_discloses(text, read, words) or any(map(words.asks_of_own, _sentences(normal)))):
        return Ineligible.PERSONAL
    if not policy.time_dependent and words.time.find(read)[0] is not None:
        return Ineligible.TIME_DEPENDENT
    return None


def _discloses(text: str, read: str, words: _Words) -> bool:
    return words.disclosed.find(read)[0] is not None or any(pattern.search(text) for pattern in words.identifiers)


def _sentences(normal: str) -> list[str]:
    return [spaced_once(sentence) for sentence in _SENTENCE_END.split(normal)]


def _is_unicode(text: str) -> bool:
    """Whether it can be written as UTF-8, as the patterns need it: JSON lets a client send half a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
