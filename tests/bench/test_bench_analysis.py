"""The benchmark's statistics, against figures worked out by hand."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from custom_router.bench.analysis import added_median, added_tail, analyse, percentiles, ratio_of_rates
from custom_router.bench.load import Burst
from custom_router.bench.measure import Cell, rotated
from custom_router.bench.variants import VARIANTS, Variant


def cell(
    variant: Variant, turn: int, latencies: list[float], seconds: float = 1.0, cpu_s: float = 1.0, **routed: int
) -> Cell:
    burst = Burst(latencies, seconds, 0, Counter({name.replace("_is_", " "): n for name, n in routed.items()}))
    return Cell(variant, 20, 1, turn, burst, cpu_s, 100.0 + turn)


def test_percentiles_are_linear_between_order_statistics() -> None:
    assert percentiles([4.0, 1.0, 2.0, 3.0, 5.0]) == {50: 3.0, 95: pytest.approx(4.8), 99: pytest.approx(4.96)}


def test_percentiles_of_nothing_are_nan() -> None:
    assert all(math.isnan(value) for value in percentiles([]).values())


def test_added_median_cancels_a_drift_between_rounds() -> None:
    # The host slows down tenfold; within each round the difference stays 2, 3 and 4.
    bare = [cell(Variant.BARE, r, [ms] * 3) for r, ms in enumerate((10.0, 50.0, 100.0))]
    mine = [cell(Variant.PLUGIN, r, [ms] * 3) for r, ms in enumerate((12.0, 53.0, 104.0))]
    added = added_median(mine, bare)
    assert added.value == pytest.approx(3.0)
    assert 2.0 <= added.low < 3.0 < added.high <= 4.0


def test_added_tail_is_the_difference_of_the_pooled_quantiles() -> None:
    bare = [cell(Variant.BARE, 0, [1.0, 2.0, 3.0]), cell(Variant.BARE, 1, [4.0, 5.0])]
    mine = [cell(Variant.PLUGIN, 0, [11.0, 12.0, 13.0]), cell(Variant.PLUGIN, 1, [14.0, 25.0])]
    # 95th of 1..5 is 4.8; of 11, 12, 13, 14, 25 it is 14 + .8 · 11 = 22.8.
    assert added_tail(mine, bare, 95).value == pytest.approx(18.0)


def test_ratio_of_rates_weighs_rounds_by_their_size() -> None:
    bare = [cell(Variant.BARE, 0, [1.0] * 10, seconds=1.0), cell(Variant.BARE, 1, [1.0] * 10, seconds=3.0)]
    mine = [cell(Variant.PLUGIN, 0, [1.0] * 10, seconds=2.0), cell(Variant.PLUGIN, 1, [1.0] * 10, seconds=6.0)]
    ratio = ratio_of_rates(mine, bare, lambda c: float(len(c.burst.latencies_ms)), lambda c: c.burst.seconds)
    # 20 in 8 s against 20 in 4 s, and the same in every round: no spread.
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((0.5, 0.5, 0.5))


def test_analyse_compares_each_load_with_bare_under_the_same_load() -> None:
    cells = [
        cell(Variant.PLUGIN, 0, [6.0, 8.0], seconds=4.0, cpu_s=0.3, tier_is_simple=2),
        cell(Variant.BARE, 0, [5.0, 5.0], seconds=2.0, cpu_s=0.1),
    ]
    bare, plugin = analyse(cells)
    assert (bare.variant, bare.added_ms, bare.throughput_ratio, bare.cpu_ratio) == (Variant.BARE, None, None, None)
    assert plugin.added_ms is not None
    assert plugin.added_ms[50].value == pytest.approx(2.0)
    assert plugin.throughput_ratio is not None
    assert plugin.throughput_ratio.value == pytest.approx(0.5)
    assert plugin.cpu_ratio is not None
    assert plugin.cpu_ratio.value == pytest.approx(3.0)
    assert plugin.cpu_ms == pytest.approx(150.0)
    assert plugin.per_second == pytest.approx(0.5)
    assert plugin.routed == {"tier simple": 2}
    assert plugin.gate_ms is None


def test_the_gate_is_the_product_against_itself_without_it() -> None:
    cells = [
        cell(variant, turn, [ms + 10.0 * turn] * 3)
        for turn in range(3)
        for variant, ms in ((Variant.BARE, 5.0), (Variant.UNGATED, 8.0), (Variant.PLUGIN, 9.0))
    ]
    gates = {row.variant: row.gate_ms for row in analyse(cells)}
    assert gates[Variant.BARE] is gates[Variant.UNGATED] is None
    gate = gates[Variant.PLUGIN]
    assert gate is not None
    assert (gate.value, gate.low, gate.high) == pytest.approx((1.0, 1.0, 1.0))


def test_undecided_counts_requests_that_the_classifier_did_not_answer() -> None:
    cells = [cell(Variant.BARE, 0, [1.0]), cell(Variant.PLUGIN, 0, [1.0] * 6)]
    cells[1].burst.routed.update({"cause score": 3, "cause encoder_timeout": 2, "cause encoder_busy,tier_fallback": 1})
    assert analyse(cells)[1].undecided == 3


def test_rotation_gives_every_variant_every_place_once() -> None:
    orders = [rotated(VARIANTS, turn) for turn in range(len(VARIANTS))]
    for place in range(len(VARIANTS)):
        assert {order[place] for order in orders} == set(VARIANTS)
