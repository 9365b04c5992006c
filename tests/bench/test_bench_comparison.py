"""The comparison of strategies, against figures worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from custom_router.bench.comparison import (
    Comparison,
    Line,
    Outcome,
    compare,
    mean_quality,
    share_below,
    shuffled_within,
    total_cost,
)


def outcome(score: list[list[float]], chosen: list[int], need: list[float] | None = None, source: str = "") -> Outcome:
    n = len(chosen)
    return Outcome(
        score=np.array(score),
        cost=np.tile([1.0, 2.0, 10.0], (n, 1)),
        chosen=np.array(chosen, np.intp),
        need=np.array(need if need is not None else [0.5] * n),
        source=np.array(list(source) or ["a"] * n),
    )


def line(comparison: Comparison, strategy: str) -> Line:
    return next(line for line in comparison.lines if line.strategy == strategy)


# Half of the prompts need the frontier; a perfect router sends exactly those there.
HALF = [[1.0, 1.0, 1.0]] * 10 + [[0.0, 0.0, 1.0]] * 10
PERFECT = [0] * 10 + [2] * 10


def test_quality_and_cost_of_a_choice() -> None:
    given = outcome([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]], [2, 0])
    assert mean_quality(given, given.chosen) == pytest.approx((0.3 + 0.4) / 2)
    assert total_cost(given, given.chosen) == pytest.approx(11.0)


def test_perfect_router_beats_its_shuffle() -> None:
    found = compare(outcome(HALF, PERFECT, [0.0] * 10 + [1.0] * 10))
    router, shuffled = line(found, "router"), line(found, "shuffled")
    assert router.quality.value == pytest.approx(1.0)
    assert router.quality_share == pytest.approx(1.0)
    assert router.cost_share == pytest.approx((10 * 1 + 10 * 10) / 200)
    # A shuffle serves each hard prompt from the frontier half of the time: .5 + .5 · .5, give or take its own noise.
    assert shuffled.quality.value == pytest.approx(0.75, abs=0.01)
    assert shuffled.cost == pytest.approx(router.cost)
    assert found.beaten == 1.0
    assert found.gap_recovered == pytest.approx(1.0)
    assert found.shuffled_gap == pytest.approx(0.5, abs=0.02)
    # Every point of the gap lies in the first half of the ordering: area 1/4 under the rise, 1/2 after it.
    assert found.apgr is not None
    assert found.apgr.value == pytest.approx(0.75)


def test_rows_without_a_score_do_not_enter_the_ranking() -> None:
    # As if the hardest half of the hard prompts had timed out: what is scored is still ranked perfectly.
    found = compare(outcome(HALF, PERFECT, [0.0] * 10 + [1.0] * 5 + [float("nan")] * 5))
    assert found.scored == 15
    assert found.apgr is not None
    # The gap lies in the first third: area 1/6 under the rise, 2/3 after it.
    assert found.apgr.value == pytest.approx(5 / 6)


def test_fixed_tier_is_no_better_than_its_shuffle() -> None:
    found = compare(outcome(HALF, [0] * 20))
    assert found.beaten == 0.5
    assert found.mix == {"simple": 1.0, "medium": 0.0, "frontier": 0.0}
    assert line(found, "shuffled").quality.value == line(found, "all-simple").quality.value == pytest.approx(0.5)
    assert found.apgr is not None
    assert found.apgr.value == pytest.approx(0.5)


def test_worst_router_loses_to_its_shuffle() -> None:
    assert compare(outcome(HALF, PERFECT[::-1])).beaten == 0.0


def test_random_is_the_mean_of_the_tiers() -> None:
    # Tier means .5, .5 and 1.
    assert line(compare(outcome(HALF, PERFECT)), "random").quality.value == pytest.approx(2 / 3, abs=0.01)


def test_no_shares_of_a_gap_that_is_not_there() -> None:
    found = compare(outcome([[0.5, 0.5, 0.51]] * 20, PERFECT))
    assert (found.gap_recovered, found.shuffled_gap, found.apgr) == (None, None, None)


def test_knowing_only_the_source_is_no_better_than_a_shuffle_within_sources() -> None:
    given = outcome(HALF, PERFECT, source="a" * 10 + "b" * 10)
    found = compare(given)
    assert line(found, "shuffled within source").quality.value == pytest.approx(1.0)
    assert line(found, "shuffled").quality.value < 0.8


def test_shuffle_within_sources_keeps_each_source_s_mix() -> None:
    chosen, source = np.array([0, 1, 2, 2, 2, 0]), np.array(list("aaabbb"))
    for seed in range(20):
        shuffled = shuffled_within(chosen, source, np.random.default_rng(seed))
        assert sorted(shuffled[:3]) == [0, 1, 2]
        assert sorted(shuffled[3:]) == [0, 2, 2]


def test_ties_count_half() -> None:
    assert share_below(np.array([0.1, 0.3, 0.3 + 1e-15, 0.9]), 0.3) == 0.5


def test_same_seed_same_figures() -> None:
    given = outcome(HALF, PERFECT)
    assert compare(given, 3) == compare(given, 3)
