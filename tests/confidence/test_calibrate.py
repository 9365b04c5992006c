"""Calibrators keep the order strictly; the artifact finds the closest one and refuses what it cannot read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from custom_router.confidence.base import Failure
from custom_router.confidence.calibrate import Calibrator, Confidence, Entry, GateArtifact, GateRefused, judge
from custom_router.confidence.gate import GateThresholds, Verdict

SCORES = st.floats(-30.0, 30.0)
CALIBRATORS = st.builds(Calibrator, intercept=st.floats(-3, 3), low=st.floats(1e-4, 6), high=st.floats(1e-4, 6))


def entry(signals: str, intercept: float, **fields: Any) -> Entry:
    return Entry(signals=signals, calibrator=Calibrator(intercept=intercept, low=1.0, high=1.0), **fields)


ARTIFACT = GateArtifact(
    version="test",
    entries=(
        entry("tokens", 0.1, model="a", segment="law"),
        entry("tokens", 0.2, model="a"),
        entry("tokens", 0.3),
    ),
    fallbacks=(entry("*", 0.4), entry("*+opinion", 0.5), entry("opinion", 0.6), entry("verbal", 0.7)),
)


@given(CALIBRATORS, SCORES, SCORES)
def test_a_higher_score_is_always_a_higher_probability(calibrator: Calibrator, one: float, other: float) -> None:
    assume(abs(one - other) > 1e-6)
    low, high = sorted((one, other))
    assert 0.0 < calibrator(low) < calibrator(high) < 1.0


def test_the_extremes_are_near_and_never_at_the_ends() -> None:
    steep = Calibrator(intercept=2.0, low=6.0, high=6.0)
    values = [steep(score) for score in (-30, -25, 25, 29.999, 30)]
    assert len(set(values)) == 5
    assert 1e-7 < values[0] < 1e-5
    assert 1e-7 < 1 - values[-1] < 1e-5


@pytest.mark.parametrize(
    ("model", "signals", "segment", "intercept"),
    [
        ("a", "tokens", "law", 0.1),
        ("a", "tokens", "sport", 0.2),
        ("a", "tokens", None, 0.2),
        ("b", "tokens", "law", 0.3),
        ("b", "verbal", None, 0.7),
        ("b", "answer_logprob", None, 0.4),
        ("b", "verbal+opinion", None, 0.5),
        ("b", "opinion", None, 0.6),
        ("", "", None, 0.4),
    ],
)
def test_the_closest_calibrator_is_used(model: str, signals: str, segment: str | None, intercept: float) -> None:
    found = ARTIFACT.confidence(model, signals, 1.5, segment)
    assert found.value == Calibrator(intercept=intercept, low=1.0, high=1.0)(1.5)


def test_an_artifact_reads_back_as_written(tmp_path: Path) -> None:
    ARTIFACT.save(tmp_path / "gate.json")
    assert GateArtifact.load(tmp_path / "gate.json") == ARTIFACT


def test_the_shipped_artifact_has_seen_no_confidence_and_says_so() -> None:
    shipped = GateArtifact.load()
    assert shipped.entries == ()
    assert all(f.evidence is not None or f.note.startswith("a prior, not a fit") for f in shipped.fallbacks)
    assert all("mmlu_pro" in source.name for source in shipped.data)
    # Raw confidence is too high; the prior never raises one that matters.
    for raw, score in ((0.99, 0.399), (0.95, -0.014), (0.9, -0.2)):
        assert shipped.confidence("any", "answer_logprob", score).value < raw - 0.05


def _without(fields: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key != name}


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda _: "{", "is not JSON"),
        (lambda _: "[]", "format None"),
        (lambda f: json.dumps({**f, "format": 2}), "format 2"),
        (lambda f: json.dumps(_without(f, "fallbacks")), "fallbacks"),
        (lambda f: json.dumps({**f, "fallbacks": f["fallbacks"][:1]}), "none for *+opinion, opinion"),
        (lambda f: json.dumps(f).replace('"low": 1.0', '"low": -1.0', 1), "calibrator.low"),
        (lambda f: json.dumps(f).replace('"low": 1.0', '"low": NaN', 1), "calibrator.low"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_mend(tmp_path: Path, spoil: Any, said: str) -> None:
    path = tmp_path / "gate.json"
    path.write_text(spoil(ARTIFACT.model_dump(mode="json")))
    with pytest.raises(GateRefused) as refused:
        GateArtifact.load(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert said in str(refused.value)
    assert "tier-router fit-gate" in str(refused.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GateRefused, match="No such file"):
        GateArtifact.load(tmp_path / "none.json")


def test_where_signals_say_nothing_only_trust_stays_down() -> None:
    thresholds = GateThresholds()
    assert judge(Confidence(0.8, "x", informative=True), (), thresholds) is Verdict.REVIEW
    assert judge(Confidence(0.8, "x", informative=False), (), thresholds) is Verdict.ESCALATE
    assert judge(Confidence(0.9, "x", informative=False), (), thresholds) is Verdict.TRUST
    assert judge(Confidence(0.9, "x"), (Failure.EMPTY,), thresholds) is Verdict.ESCALATE
    assert judge(None, (), thresholds) is Verdict.NONE
