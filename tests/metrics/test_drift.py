"""Drift: nothing where nothing moved, much where it did, and a reference that is what it says."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_router.drift import WINDOW, Drift, psi, score_bin
from custom_router.records.record import ScoreFields
from tests.metrics.test_observed import record

MIXES = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 1_000), min_size=1)


@given(MIXES)
def test_the_same_mix_has_no_index(mix: dict[str, int]) -> None:
    assert psi(mix, {name: 7 * n for name, n in mix.items()}) == pytest.approx(0.0, abs=1e-9)


@given(MIXES, MIXES)
def test_the_index_is_symmetric_and_never_negative(a: dict[str, int], b: dict[str, int]) -> None:
    assert psi(a, b) == pytest.approx(psi(b, a))
    assert psi(a, b) >= 0.0


def test_the_index_by_hand() -> None:
    # (.6 - .5) ln(.6/.5) + (.4 - .5) ln(.4/.5)
    assert psi({"a": 50, "b": 50}, {"a": 60, "b": 40}) == pytest.approx(0.040547, abs=1e-6)
    assert psi({"a": 1}, {}) == 0.0


@pytest.mark.parametrize(("p", "name"), [(0.0, "0.0"), (0.0999, "0.0"), (0.1, "0.1"), (0.95, "0.9"), (1.0, "0.9")])
def test_tenths(p: float, name: str) -> None:
    assert score_bin(p) == name


def feed(drift: Drift, n: int, low: float, high: float, *, source: str = "m", seed: int = 1, **changes: object) -> None:
    rng = random.Random(seed)
    for _ in range(n):
        drift.add(record(scores=ScoreFields({"simple": rng.uniform(low, high)}, source=source), **changes))


def test_no_index_before_enough_has_been_seen() -> None:
    drift = Drift()
    feed(drift, 2 * WINDOW - 1, 0.0, 1.0)
    assert drift.indexes() == {}
    feed(drift, 1, 0.0, 1.0)
    assert set(drift.indexes()) == {"p_ok_simple", "domain", "tier"}


def test_the_same_traffic_stays_near_what_chance_gives_and_other_traffic_does_not() -> None:
    indexes = []
    for seed in range(10):
        drift = Drift()
        feed(drift, 2 * WINDOW, 0.0, 1.0, seed=seed)
        indexes.append(drift.indexes()["p_ok_simple"])
    assert sum(indexes) / 10 == pytest.approx(0.036, abs=0.02)
    assert max(indexes) < 0.1
    feed(drift, WINDOW, 0.4, 1.0)
    assert drift.indexes()["p_ok_simple"] > 0.25
    assert drift.indexes()["tier"] == 0.0


def test_a_mix_of_tiers_that_moves() -> None:
    drift = Drift()
    feed(drift, WINDOW, 0.0, 1.0)
    feed(drift, WINDOW, 0.0, 1.0, decided_tier="frontier")
    assert drift.indexes()["tier"] > 0.25
    assert drift.report()["tier"]["recent"] == {"frontier": WINDOW}


def test_another_classifier_begins_anew() -> None:
    drift = Drift()
    feed(drift, 2 * WINDOW, 0.0, 1.0)
    feed(drift, 1, 0.0, 1.0, source="another")
    assert drift.indexes() == {}


def test_the_artifacts_own_traffic_is_the_reference_where_it_tells_of_it() -> None:
    drift = Drift()
    drift.expect([0.1] * 10)
    feed(drift, WINDOW, 0.0, 1.0)
    assert drift.indexes()["p_ok_simple"] < 0.1
    report = drift.report()
    assert (report["p_ok_simple"]["reference_from"], report["domain"]["reference_from"]) == (
        "artifact",
        "first_requests",
    )
    drift.expect([0.1] * 10)
    assert drift.indexes(), "the same reference changes nothing"
    drift.expect([0.0] * 9 + [1.0])
    assert drift.indexes() == {}
    feed(drift, WINDOW, 0.0, 1.0)
    assert drift.indexes()["p_ok_simple"] > 1.0
    drift.expect(None)
    assert drift.report()["p_ok_simple"]["reference_from"] == "first_requests"


def test_what_was_not_classified_says_nothing_about_scores() -> None:
    drift = Drift()
    for _ in range(2 * WINDOW):
        drift.add(record())
    assert set(drift.indexes()) == {"domain", "tier"}
