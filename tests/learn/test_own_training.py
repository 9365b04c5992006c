"""Learning from a team's own traffic: what lines teach, what a candidate gains, and when it is refused."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from custom_router.classify.embedding import EmbeddingClassifier
from custom_router.classify.heads import Heads
from custom_router.encoder import StaticEncoder
from custom_router.learn.own_artifact import Candidate, make_candidate
from custom_router.learn.own_lines import OwnLine, read_own_line
from custom_router.learn.own_rows import OwnRows, own_rows, read_own
from custom_router.learn.own_training import TooFew, fit_own
from custom_router.policy import Policy
from tests.docs.documents import ROOT
from tests.learn.own_traffic import lines, write

SHIPPED = Policy.load(ROOT / "routing_policy.yaml")


def read(**fields: Any) -> OwnLine | str:
    return read_own_line(json.dumps(fields).encode())


def record(**changes: Any) -> OwnLine | str:
    fields: dict[str, Any] = {
        "request_id": "1", "time": "2026-01-02T03:04:05+00:00", "tier": "simple", "decided_tier": "simple",
        "text": "hello", "tenant": {"team_alias": "support"}, "gate": {"verdict": "trust", "confidence": 0.9},
        "outcome": {"status": "ok", "feedback": None, "judge": None},
    }  # fmt: skip
    return read(**{**fields, **changes})


def ok(line: OwnLine | str) -> dict[str, float]:
    assert isinstance(line, OwnLine), line
    return {tier.value: value for tier, value in line.ok.items()}


def test_a_plain_line_compares_with_the_frontier_where_it_was_tried() -> None:
    assert ok(read(prompt="p", scores={"simple": 0.5, "frontier": 0.5})) == {"simple": 1.0, "medium": 1.0}
    assert ok(read(prompt="p", scores={"simple": 0.4, "medium": 0.9, "frontier": 0.9})) == {"simple": 0, "medium": 1}
    assert ok(read(prompt="p", scores={"medium": 0.3})) == {"simple": 0.3, "medium": 0.3}
    assert ok(read(prompt="p", scores={"simple": 0.3})) == {"simple": 0.3}


def test_a_record_is_judged_by_the_judge_then_feedback_then_the_gate() -> None:
    assert ok(record()) == {"simple": 0.9, "medium": 0.9}
    assert ok(record(outcome={"status": "ok", "feedback": 0.0})) == {"simple": 0.0}
    assert ok(record(outcome={"status": "ok", "feedback": 0.0, "judge": 1.0})) == {"simple": 1.0, "medium": 1.0}
    line = record()
    assert isinstance(line, OwnLine)
    assert (line.source, line.when) == ("support", 1767323045.0)


def test_an_escalated_answer_was_not_good_enough_whatever_was_said_of_its_replacement() -> None:
    gate = {"verdict": "trust", "confidence": 0.95, "escalated_to": "frontier"}
    found = record(tier="frontier", decided_tier="medium", gate=gate, outcome={"status": "ok", "feedback": 1.0})
    assert ok(found) == {"medium": 0.0, "simple": 0.0}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (read(prompt="p", scores={"frontier": 1.0}), "no score"),
        (read(scores={"simple": 1.0}), "neither prompt"),
        (read(prompt="p", scores={"simple": 2.0}), "scores"),
        (read_own_line(b"{"), "JSON"),
        (read_own_line(b"[1]"), "no object"),
        (record(text=None), "log_text"),
        (record(gate={"verdict": "none"}), "without an outcome"),
        (record(tier="frontier", decided_tier="frontier"), "frontier's answer"),
        (record(outcome={"status": "error"}), "failed"),
    ],
)
def test_a_line_that_teaches_nothing_says_why(line: OwnLine | str, reason: str) -> None:
    assert isinstance(line, str)
    assert reason in line


@pytest.fixture(scope="module")
def encoder() -> StaticEncoder:
    return StaticEncoder.load()


@pytest.fixture(scope="module")
def incumbent(encoder: StaticEncoder) -> EmbeddingClassifier:
    return Heads(encoder).of(SHIPPED)


def rows(encoder: StaticEncoder, count: int, **how: Any) -> OwnRows:
    read = [read_own_line(json.dumps(line).encode()) for line in lines(count, **how)]
    return own_rows([line for line in read if isinstance(line, OwnLine)], encoder.encode)


@pytest.fixture(scope="module")
def candidate(encoder: StaticEncoder, incumbent: EmbeddingClassifier) -> Candidate:
    return make_candidate(rows(encoder, 2_600), incumbent, SHIPPED)


def test_the_candidate_beats_the_incumbent_on_the_time_it_has_not_seen(candidate: Candidate) -> None:
    found = candidate.comparison
    assert found.better
    assert found.worse == ()
    held_out = found.slices[0]
    assert (held_out.name, held_out.rows) == ("held-out time", 520)
    assert held_out.candidate < held_out.incumbent - 0.1
    assert found.apgr[1] > found.apgr[0] + 0.1
    assert found.ece[1] < 0.06
    names = {one.name for one in found.slices}
    assert {"source: shop", "source: plant", "source left out: shop", "source left out: plant"} <= names


def test_on_labels_dealt_at_random_it_is_no_better(encoder: StaticEncoder, incumbent: EmbeddingClassifier) -> None:
    found = make_candidate(rows(encoder, 1_500, shuffled=True), incumbent, SHIPPED)
    assert abs(found.comparison.apgr[1] - 0.5) < 0.08


def test_the_artifact_loads_and_says_what_it_is_from(candidate: Candidate, tmp_path: Path) -> None:
    candidate.classifier.save(tmp_path / "own.npz")
    loaded = EmbeddingClassifier.load(tmp_path / "own.npz", encoder_version="minilm-l6-v2/static")
    assert loaded.version.startswith("embedding/own-")
    assert sum(source["rows"] for source in loaded.metadata["sources"].values()) == 2_080
    assert loaded.metadata["comparison"]["worse"] == []
    assert loaded.metadata["built_on"] == candidate.comparison.incumbent
    tenths = loaded.metadata["p_ok_simple_tenths"]
    assert (len(tenths), sum(tenths)) == (10, pytest.approx(1.0))
    assert max(tenths) < 1.0, "scores of this traffic differ"


def test_where_only_one_tier_was_tried_the_other_keeps_its_distance(
    encoder: StaticEncoder, incumbent: EmbeddingClassifier
) -> None:
    given = lines(600)
    for line in given:
        line["scores"] = {"simple": line["scores"]["simple"] * 0.4}  # type: ignore[index]
    read = [read_own_line(json.dumps(line).encode()) for line in given]
    found = fit_own(own_rows([line for line in read if isinstance(line, OwnLine)], encoder.encode), incumbent.head)
    curve = found.head.calibration
    assert np.isfinite(curve).all()
    assert curve[1, 0] - curve[0, 0] == pytest.approx(
        incumbent.head.calibration[1, 0] - incumbent.head.calibration[0, 0], abs=1e-4
    )


def test_too_few_or_uniform_labels_are_refused(encoder: StaticEncoder, incumbent: EmbeddingClassifier) -> None:
    with pytest.raises(TooFew, match="least"):
        fit_own(rows(encoder, 100), incumbent.head)
    same = rows(encoder, 300)
    same.labels[:] = 1.0
    with pytest.raises(TooFew, match="nothing to learn"):
        fit_own(same, incumbent.head)


def test_rows_are_put_in_order_of_time_and_unreadable_lines_counted(encoder: StaticEncoder, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", 5)
    path.write_text("".join(reversed(path.read_text().splitlines(keepends=True))) + "{\n")
    left_out: Counter[str] = Counter()
    found = own_rows(read_own([tmp_path], left_out), encoder.encode)
    assert found.when.tolist() == [0, 60, 120, 180, 240]
    assert sum(left_out.values()) == 1
