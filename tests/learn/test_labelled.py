"""Records and what callers said of them become rows to learn from without anybody's help."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from custom_router.learn.gate_rows import Unread, read_labelled
from custom_router.learn.gate_scored import Scored
from custom_router.learn.own_rows import read_own
from custom_router.learn.rating_fit import read_rated
from custom_router.records.record import DecisionRecord, GateFields, OutcomeFields, Tenant
from custom_router.tiers import Tier

SIGNALS = {"own_logprob": -0.2, "agreement_1": 0.9, "score": 0.4}


def record(request_id: str, **changes: Any) -> DecisionRecord:
    made = DecisionRecord(request_id, "2026-11-01T00:00:00+00:00", "v", "auto", "chat", False, Tenant("t1", "red"))
    made.tier = made.decided_tier = "simple"
    made.outcome, made.text = OutcomeFields("ok"), "How do I boil an egg?"
    made.gate = GateFields("whole", SIGNALS, "answer_logprob", "openai/small", 0.5, "review")
    for name, value in changes.items():
        setattr(made, name, value)
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Records of a few requests, and feedback on them."""
    escalated = GateFields("whole", SIGNALS, "answer_logprob", "openai/big", 0.5, "trust", "frontier")
    hit = record("hit", gate=GateFields())
    hit.cache.status = "hit"
    records = [
        record("liked"),
        record("disliked"),
        record("silent"),
        record("escalated", tier="frontier", gate=escalated),
        record("mute", gate=GateFields("whole", verdict="none")),
        hit,
    ]
    (tmp_path / "decisions-a.jsonl").write_bytes(b"".join(made.to_json() + b"\n" for made in records))
    (tmp_path / "feedback").mkdir()
    said = [("liked", 1.0), ("disliked", -1.0), ("escalated", 1.0), ("mute", 0.5), ("hit", -1.0), ("unknown", 1.0)]
    lines = [json.dumps({"request_id": r, "score": s, "time": "2026-11-01T00:00:01+00:00"}) for r, s in said]
    (tmp_path / "feedback" / "feedback-a.jsonl").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.mark.parametrize("as_folder", [True, False])
def test_the_classifier_learns_from_feedback_before_the_gates_own_opinion(folder: Path, as_folder: bool) -> None:
    left_out: Counter[str] = Counter()
    read = list(read_own([folder if as_folder else folder / "decisions-a.jsonl"], left_out))
    assert [line.ok[Tier.SIMPLE] for line in read] == [1.0, 0.0, 0.5, 0.0, 0.75]
    assert [reason for reason in left_out if "stored answer" in reason], "a hit says nothing of a tier"
    assert {line.source for line in read} == {"red"}


def test_the_gate_is_fitted_on_what_it_measured_and_callers_said(folder: Path) -> None:
    read = list(read_labelled([folder]))
    assert [row for row in read if isinstance(row, Scored)] == [
        Scored("red", "openai/small", "answer_logprob", 0.4, -0.2, 1.0, 0.9),
        Scored("red", "openai/small", "answer_logprob", 0.4, -0.2, 0.0, 0.9),
    ]
    reasons = [row.error for row in read if isinstance(row, Unread)]
    told = ["without an outcome", "escalated", "without a signal", "without a signal"]
    assert all(part in reason for part, reason in zip(told, reasons, strict=True))


def test_a_judge_comes_before_feedback(folder: Path) -> None:
    judged = record("liked", outcome=OutcomeFields("ok", judge=0.25))
    (folder / "decisions-a.jsonl").write_bytes(judged.to_json() + b"\n")
    (line,) = read_own([folder], Counter())
    assert line.ok[Tier.SIMPLE] == 0.25


def test_the_rating_of_the_vllm_model_is_fitted_on_feedback_too() -> None:
    made = record("liked")
    made.scores.own = {"simple": 0.6}
    made.scores.vllm.log_odds = {"simple": 1.5}
    assert read_rated(made.to_json()) is None
    rated = read_rated(made.to_json(), {"liked": 1.0})
    assert rated is not None
    assert (rated.good, rated.rating) == (1.0, 1.5)
    made.cache.status = "hit"
    assert read_rated(made.to_json(), {"liked": 1.0}) is None
