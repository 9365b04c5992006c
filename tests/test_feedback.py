"""Feedback as it is given: what a body may hold, whose request it is about, and how often."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from custom_router import metrics
from custom_router.decision import NO_LIMITS
from custom_router.encoder.fake import FakeEncoder
from custom_router.engine import RouterEngine
from custom_router.feedback import PER_MINUTE, FeedbackDesk, NotYours, TooMuch
from custom_router.feedback_body import MAX_TAGS, TAG_CHARS, Feedback
from custom_router.lifecycle import Arrival, Ending
from custom_router.policy import Caller
from custom_router.records.record import Tenant
from custom_router.records.sinks import MemorySink
from custom_router.request import RequestView
from custom_router.runtime import Runtime
from tests.test_runtime import POLICY


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    engine = RouterEngine(path, load_encoder=FakeEncoder)
    yield Runtime(engine, MemorySink())
    engine.close()


async def answered(runtime: Runtime, key: str = "mine") -> str:
    """Id of a request of a key that has been answered."""
    view = RequestView.from_chat({"messages": [{"role": "user", "content": "Hello."}]})
    arrival = Arrival("auto", Tenant(key_hash=key), None, key, time.perf_counter())
    token, pending, _ = await runtime.begin(view, Caller(), arrival, NO_LIMITS)
    runtime.end(token, Ending("ok"))
    return pending.record.request_id


def counted(opinion: str) -> float:
    return metrics.FEEDBACK.labels(opinion, "bypass")._value.get()


# ---------------------------------------------------------------- what it may hold


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ({"score": -0.5}, -0.5),
        ({"label": "good"}, 1.0),
        ({"label": "bad"}, -1.0),
        ({"label": "bad", "score": -0.25}, -0.25),
        ({"label": "good", "score": 0}, 0.0),
    ],
)
def test_a_score_or_a_label_or_both(body: dict[str, Any], value: float) -> None:
    assert Feedback(request_id="r", **body).value == value


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"label": "good", "score": -0.1},
        {"score": float("nan")},
        {"score": 1.01},
        {"label": "so-so"},
        {"score": 1, "comment": "free text"},
        {"score": 1, "tags": ["x"] * (MAX_TAGS + 1)},
        {"score": 1, "tags": ["x" * (TAG_CHARS + 1)]},
    ],
)
def test_what_makes_no_sense_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Feedback(request_id="r", **body)


@pytest.mark.parametrize("tag", ["wrong number", "tone", "v1.2", "ticket:42", "ünfreundlich", "हिन्दी", "a/b_c"])
def test_tags_are_words_in_any_script(tag: str) -> None:
    assert Feedback(request_id="r", score=1, tags=[f" {tag} "]).tags == [tag]


@pytest.mark.parametrize(
    "tag",
    ["", " ", "=1+1", "+1", "-1", "@sum", "a\tb", "a\nb", "\x1b[31mred", "a\u202eb", "a\u200bb", "<b>", "a;b", 'a"'],
)
def test_no_tag_is_a_formula_markup_or_a_command_to_a_terminal(tag: str) -> None:
    with pytest.raises(ValidationError):
        Feedback(request_id="r", score=1, tags=[tag])


# ---------------------------------------------------------------- whose, and how often


async def test_feedback_is_about_ones_own_requests(runtime: Runtime) -> None:
    desk, request_id = FeedbackDesk(runtime), await answered(runtime)
    for key, asked in (("another", request_id), ("mine", "no such request")):
        with pytest.raises(NotYours):
            await desk.take(Feedback(request_id=asked, score=1), key)
    line = await desk.take(Feedback(request_id=request_id, label="bad", tags=["tone"]), "mine")
    assert (line.score, line.label, line.tags, line.key_hash) == (-1.0, "bad", ["tone"], "mine")
    assert (await desk.take(Feedback(request_id=request_id, score=1), None)).key_hash == "mine", "an admin's word"


async def test_a_change_of_mind_is_a_line_and_not_a_second_count(runtime: Runtime) -> None:
    desk, request_id = FeedbackDesk(runtime), await answered(runtime)
    good, bad = counted("good"), counted("bad")
    await desk.take(Feedback(request_id=request_id, score=1), "mine")
    await desk.take(Feedback(request_id=request_id, score=-1), "mine")
    assert (counted("good"), counted("bad")) == (good + 1, bad)


async def test_a_key_cannot_flood_and_others_do_not_suffer_for_it(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, mine, other = FeedbackDesk(runtime), await answered(runtime), await answered(runtime, "other")
    now = 1_000.0
    monkeypatch.setattr("custom_router.per_minute.time.monotonic", lambda: now)
    for number in range(PER_MINUTE):
        asked = mine if number % 2 else f"guess {number}"
        try:
            await desk.take(Feedback(request_id=asked, score=1), "mine")
        except NotYours:
            assert asked != mine
    with pytest.raises(TooMuch, match=str(PER_MINUTE)):
        await desk.take(Feedback(request_id=mine, score=1), "mine")
    await desk.take(Feedback(request_id=other, score=1), "other")
    await desk.take(Feedback(request_id=mine, score=1), None)
    now += 60
    await desk.take(Feedback(request_id=mine, score=1), "mine")
