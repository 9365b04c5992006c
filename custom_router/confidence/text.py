"""The `text` signal: faults of an answer that need no model to be seen, and surface features of its wording.

A failure escalates at once and costs a frontier call, so each check here prefers silence to a false alarm.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Literal

import ahocorasick_rs

from custom_router.confidence.base import Answer, Expectations, Failure
from custom_router.confidence.form import json_fault, unusable_call
from custom_router.confidence.language import other_script
from custom_router.confidence.refusal import refuses
from custom_router.request import RequestView, head_and_tail

_READ = 6_000
"""Characters, head and tail, of a text that features are read from."""


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


class TextSignal:
    """Surface features of an answer, each 0..1: what wording says where nothing else is known."""

    name = "text"
    calls: Literal["none", "token", "answer"] = "none"

    def read(self, view: RequestView, answer: Answer) -> Mapping[str, float] | None:
        """`hedging` (unsure phrases a sentence), `length` (log scale, 1 at 100,000 characters) and `repetition` (share
        of word triples that occurred before); None for an answer without text. Hedging is known in English only."""
        text = answer.text.strip()
        if not text:
            return None
        read = head_and_tail(text, _READ)
        sentences = sum(read.count(mark) for mark in (". ", "? ", "! ", "\n")) + 1
        hedges = len(_HEDGES.find_matches_as_indexes(f" {read.casefold()} ".replace("’", "'")))
        words = read.split()
        triples = list(zip(words, words[1:], words[2:], strict=False))
        return {
            "hedging": min(hedges / sentences, 1.0),
            "length": min(math.log1p(len(text)) / math.log1p(100_000), 1.0),
            "repetition": 1.0 - len(set(triples)) / len(triples) if triples else 0.0,
        }


_HEDGES = ahocorasick_rs.AhoCorasick(
    [
        f" {phrase}"
        for phrase in (
            "i'm not sure", "i am not sure", "i'm not certain", "i am not certain", "not entirely sure", "i'm unsure",
            "i think ", "i believe ", "i guess", "i assume", "i suppose", "i don't know", "i do not know", "i suspect",
            "might be", "may be ", "could be ", "might have been", "it is possible", "it's possible", "possibly",
            "perhaps", "probably", "presumably", "it seems", "it appears", "as far as i know", "to my knowledge",
            "i don't have access", "i do not have access", "i don't have information", "i do not have information",
            "i don't have enough", "i do not have enough", "i cannot verify", "i can't verify", "not clear", "unclear",
            "there is no definitive", "hard to say", "difficult to say", "it depends", "without more information",
        )
    ],
    matchkind=ahocorasick_rs.MatchKind.LeftmostLongest,
)  # fmt: skip


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
