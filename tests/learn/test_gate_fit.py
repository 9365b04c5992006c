"""Fitting on made traffic whose truth is known: it is found again, and useless signals are called that."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custom_router.confidence.calibrate import Calibrator, GateArtifact
from custom_router.learn.gate_calibration import (
    MIN_ROWS,
    apply,
    base_rate,
    fit_calibrator,
    is_informative,
    out_of_fold,
)
from custom_router.learn.gate_fit import fit_gate
from custom_router.learn.gate_measures import (
    auroc_interval,
    calibration_error,
    chance_error,
    coherence,
    coverage_at,
    reliability_bins,
)
from custom_router.learn.gate_scored import Scored

TRUE = Calibrator(intercept=0.5, low=1.5, high=0.8)
PRIOR = Calibrator(intercept=1.0, low=0.5, high=0.5)


def traffic(n: int, truth: Calibrator = TRUE, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    score = rng.normal(0.0, 2.0, n)
    return score, (rng.random(n) < apply(truth, score)).astype(float)


def scored(
    score: np.ndarray, good: np.ndarray, model: str, segment: str | None, signals: str = "tokens"
) -> list[Scored]:
    return [Scored(segment, model, signals, float(s), -0.1, float(g), None) for s, g in zip(score, good, strict=True)]


def test_the_truth_is_found_again() -> None:
    fitted = fit_calibrator(*traffic(20_000), PRIOR)
    for score in (-3.0, -1.0, 0.0, 1.0, 3.0):
        assert fitted(score) == pytest.approx(TRUE(score), abs=0.02)


def test_three_hundred_rows_come_down_to_what_chance_leaves() -> None:
    errors, chances = [], []
    for seed in range(10):
        score, good = traffic(300, seed=seed)
        p = out_of_fold(score, good, PRIOR)
        errors.append(calibration_error(p, good))
        chances.append(chance_error(p))
    assert np.mean(errors) < np.mean(chances) + 0.01
    assert np.mean(errors) < 0.06


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.floats(-30, 30), st.floats(0, 1)), min_size=1, max_size=30))
def test_any_rows_give_a_calibrator_that_rises(rows: list[tuple[float, float]]) -> None:
    score, good = np.array(rows).T
    fitted = fit_calibrator(score, good, PRIOR)
    values = [fitted(one) for one in (-20.0, -1.0, 0.0, 1.0, 20.0)]
    assert values == sorted(set(values))


def test_without_rows_the_prior_stands() -> None:
    empty = np.zeros(0)
    fitted = fit_calibrator(empty, empty, PRIOR)
    assert [fitted.intercept, fitted.low, fitted.high] == pytest.approx([1.0, 0.5, 0.5])


def test_a_score_that_says_nothing_is_found_out_and_keeps_the_order() -> None:
    rng = np.random.default_rng(1)
    score, good = rng.normal(size=300), (rng.random(300) < 0.8).astype(float)
    assert not is_informative(score, good)
    flat = base_rate(good)
    assert flat(-4) == pytest.approx(good.mean(), abs=0.01)
    assert flat(-4) < flat(-3.999) < flat(4) < flat(-4) + 0.001
    assert is_informative(*traffic(300))
    assert is_informative(score, np.ones(300)), "all good: nothing speaks against it"


def test_entries_are_made_where_there_are_rows_enough() -> None:
    rng = np.random.default_rng(2)
    noise = rng.normal(size=200), (rng.random(200) < 0.6).astype(float)
    rows = [
        *scored(*traffic(200), "a", "law"),
        *scored(*noise, "a", "riddles"),
        *scored(*traffic(MIN_ROWS - 1), "a", "few"),
        *scored(*traffic(MIN_ROWS - 1), "b", "law"),
        *scored(*traffic(10), "b", "law", "verbal"),
    ]
    base = GateArtifact.load()
    fitted = fit_gate(rows, base)
    keys = {(entry.segment, entry.model, entry.signals): entry for entry in fitted.entries}
    assert set(keys) == {
        (None, None, "tokens"),
        (None, "a", "tokens"),
        ("law", "a", "tokens"),
        ("riddles", "a", "tokens"),
    }
    assert [(entry.segment, entry.model) for entry in fitted.uninformative()] == [("riddles", "a")]
    assert fitted.fallbacks == base.fallbacks
    found = keys["law", "a", "tokens"].evidence
    assert found is not None
    assert found.rows == 200
    assert sum(one.rows for one in found.reliability) == 200
    assert found.error_before is not None
    assert found.error_after < found.error_before
    assert fitted.confidence("a", "tokens", 1.0, "riddles").informative is False


def test_the_pooled_calibrator_errs_downwards() -> None:
    shifts = (-1.5, -0.5, 0.5, 1.5)
    rows = [
        row
        for at, shift in enumerate(shifts)
        for row in scored(*traffic(400, Calibrator(intercept=shift, low=1.0, high=1.0), seed=at), f"m{at}", None)
    ]
    fitted = fit_gate(rows, GateArtifact.load())
    # The four models' mean is a half at 0; the pooled one, for a fifth, lies about their spread below.
    assert 0.15 < fitted.confidence("m4", "tokens", 0.0).value < 0.32
    assert fitted.confidence("m3", "tokens", 0.0).value == pytest.approx(1 / (1 + math.exp(-1.5)), abs=0.05)


def test_measures_by_hand() -> None:
    p, label = np.array([0.05, 0.95, 0.95, 1.0]), np.array([0.0, 1.0, 0.0, 1.0])
    assert calibration_error(p, label) == pytest.approx((0.05 + 0.9) / 4)
    assert reliability_bins(p, label)[0] == pytest.approx((0.05, 0.0, 1))
    score = np.array([4.0, 3.0, 2.0, 1.0])
    assert coverage_at(score, np.array([1.0, 1.0, 0.0, 1.0]), 0.75) == 1.0
    assert coverage_at(score, np.array([1.0, 1.0, 0.0, 0.0]), 0.95) == 0.5
    assert coverage_at(np.zeros(4), np.array([1.0, 1.0, 0.0, 0.0]), 0.95) == 0.0
    area, low, high = auroc_interval(score, np.array([1.0, 0.0, 1.0, 0.0]))
    assert area == 0.75
    assert 0 <= low < area < high <= 1
    assert all(math.isnan(value) for value in auroc_interval(score, np.ones(4)))
    assert coherence(score, np.array([1.0, 0.6, 0.4, 0.0])) == 1.0
