"""Remembered readings: the same prompt of the same key costs no inference, and nothing else is mistaken for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from custom_router.causes import Cause
from custom_router.classify.base import Scores
from custom_router.classify.opinion import Opinion
from custom_router.decision import Reading
from custom_router.policy.classifier import ScoreCachePolicy
from custom_router.request import RequestView
from custom_router.score_cache import ScoreCache, reading_key
from custom_router.signals import Signal


def chat(text: str = "Name a colour.", **body: Any) -> RequestView:
    return RequestView.from_chat({"messages": [{"role": "user", "content": text}], **body})


READING = Reading(Scores(source="x"))
BASE = chat()


@pytest.mark.parametrize(
    ("view", "asked", "tenant"),
    [
        (chat("Name a colour!"), {}, "t"),
        (BASE, {"finance": 0.1}, "t"),
        (BASE, {}, "another"),
        (replace(BASE, input_tokens=99_999), {}, "t"),
        (replace(BASE, tools=1), {}, "t"),
        (replace(BASE, system="Be brief."), {}, "t"),
        (replace(BASE, signals=frozenset({Signal.JSON})), {}, "t"),
        (replace(BASE, text="Name a colour.\ud800"), {}, "t"),
    ],
)
def test_whatever_a_reading_depends_on_is_in_its_key(view: RequestView, asked: dict[str, float], tenant: str) -> None:
    assert reading_key(view, asked, tenant) != reading_key(BASE, {}, "t")


def test_parts_of_a_key_cannot_run_into_each_other() -> None:
    assert reading_key(chat("b"), {}, "a") != reading_key(chat(""), {}, "ab")
    assert reading_key(BASE, {}, "t") == reading_key(chat(), {}, "t")


def test_a_whole_reading_is_remembered_and_one_without_an_answer_is_not() -> None:
    cache = ScoreCache(ScoreCachePolicy())
    for number, reading in enumerate(
        [Reading(failure=Cause.ENCODER_TIMEOUT), replace(READING, opinion=Opinion(failure=Cause.VLLM_TIMEOUT))]
    ):
        cache.put(bytes([number]), reading)
    assert len(cache) == 0
    heard = replace(READING, opinion=Opinion(heard=True))
    cache.put(b"a", READING)
    cache.put(b"b", heard)
    assert (cache.get(b"a"), cache.get(b"b"), cache.get(b"c")) == (READING, heard, None)


def test_it_is_bounded_and_may_be_off() -> None:
    small, off = ScoreCache(ScoreCachePolicy(capacity=2)), ScoreCache(ScoreCachePolicy(capacity=0))
    for number in range(5):
        small.put(bytes([number]), READING)
        off.put(bytes([number]), READING)
    assert (len(small), len(off)) == (2, 0)
