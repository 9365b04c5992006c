"""The calibrated probability, and what is judged by it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custom_router.cache.acceptance import Acceptance, AcceptanceRefused, Calibration
from custom_router.cache.equivalence import Equivalence
from custom_router.cache.guards import Guard
from custom_router.encoder.minilm import VERSIONS

SHIPPED = Acceptance.shipped()


def test_every_encoder_that_serves_is_calibrated_on_several_sources() -> None:
    assert set(SHIPPED.encoders) == set(VERSIONS.values())
    for calibration in SHIPPED.encoders.values():
        assert sum(source.pairs for source in calibration.sources) > 1000
        assert len(calibration.sources) > 1


@pytest.mark.parametrize("version", list(VERSIONS.values()))
@settings(deadline=None)
@given(st.floats(-1, 1), st.floats(-1, 1))
def test_a_higher_cosine_is_never_less_likely_the_same(version: str, one: float, other: float) -> None:
    low, high = sorted((one, other))
    calibration = SHIPPED.encoders[version]
    assert 0.0 <= calibration.p_same(low) <= calibration.p_same(high) < 1.0


def test_the_bound_is_below_the_estimate() -> None:
    calibration = SHIPPED.encoders[VERSIONS["int8"]]
    estimate = calibration.model_copy(update={"z": 0.0})
    assert all(calibration.p_same(cosine) < estimate.p_same(cosine) for cosine in (0.8, 0.9, 0.95, 1.0))


SURE = Equivalence(Calibration(intercept=0.0, slope=3.0, covariance=(0.0, 0.0, 0.0), z=0.0, sources=()))


@pytest.mark.parametrize(
    ("judge", "language", "similarity", "guard"),
    [
        (SURE, "en", 0.99, None),
        (SURE, "en", 0.2, Guard.SIMILARITY),
        (SURE, "other", 0.99, Guard.LANGUAGE),
        (SURE, "de", 0.99, Guard.LANGUAGE),
        (Equivalence(None), "en", 1.0, Guard.LANGUAGE),
        (Equivalence.shipped("an encoder nobody calibrated"), "en", 1.0, Guard.LANGUAGE),
    ],
)
def test_judged(judge: Equivalence, language: str, similarity: float, guard: Guard | None) -> None:
    verdict = judge.judge("How do I learn chess?", "How can I learn chess?", similarity, language, 0.02)
    assert verdict.guard is guard


def test_a_longer_question_is_not_answered_by_half_of_it() -> None:
    half, whole = "Who are angel investors?", "Who are angel investors, and where can I find them?"
    assert SURE.judge(half, whole, 0.99, "en", 0.02).guard is Guard.ASKS_MORE
    assert SURE.judge(whole, half, 0.99, "en", 0.02).guard is None


def test_a_smaller_error_asks_for_more_similarity() -> None:
    guards = [SURE.judge("How do I go?", "How can I go?", 0.75, "en", error).guard for error in (0.02, 0.001)]
    assert guards == [None, Guard.SIMILARITY]


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"format": 2}', "[" * 100_000])
def test_another_file_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "cache.json"
    file.write_text(content)
    with pytest.raises(AcceptanceRefused, match="cache artifact"):
        Acceptance.load(file)


def test_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AcceptanceRefused, match="train_cache"):
        Acceptance.load(tmp_path / "none.json")
