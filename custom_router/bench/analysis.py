"""Cells to figures: quantiles, differences and ratios to bare LiteLLM, with intervals over rounds. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from custom_router.bench.measure import Cell
from custom_router.bench.variants import Variant
from custom_router.causes import Cause
from custom_router.learn.measures import Estimate, Rows, bootstrap

QUANTILES = (50, 95, 99)
_UNDECIDED = frozenset(
    {
        Cause.ENCODER_UNAVAILABLE, Cause.ENCODER_BUSY, Cause.ENCODER_TIMEOUT, Cause.ENCODER_BREAKER_OPEN,
        Cause.CLASSIFIER_ERROR, Cause.RULES_TIMEOUT, Cause.ENGINE_ERROR,
    }
)  # fmt: skip
"""Causes of a request that went up because a stage gave no answer in time."""


@dataclass(frozen=True, slots=True)
class Row:
    """One variant under one load. Milliseconds, except `rss_mb`.

    `added_ms` and the two ratios compare with bare LiteLLM under the same load and are None for bare itself. The
    intervals resample rounds, both variants' cells together. Added p50 is the mean over rounds of the difference
    within the round; the tails, for which a round is too short, are differences of the quantiles over all rounds.
    """

    variant: Variant
    tokens: int
    concurrency: int
    requests: int
    failed: int
    latency_ms: dict[int, float]
    added_ms: dict[int, Estimate] | None
    per_second: float
    throughput_ratio: Estimate | None
    cpu_ms: float
    cpu_ratio: Estimate | None
    rss_mb: float
    routed: dict[str, int]
    gate_ms: Estimate | None = None
    """Added p50 of the product's gate: the product against itself with the gate off. None for other variants."""

    @property
    def undecided(self) -> int:
        """Requests that went up a tier because a stage of the router did not answer in time."""
        causes = {name.removeprefix("cause "): n for name, n in self.routed.items() if name.startswith("cause ")}
        return sum(n for name, n in causes.items() if not _UNDECIDED.isdisjoint(name.split(",")))


def analyse(cells: Sequence[Cell]) -> list[Row]:
    """One row a variant and load, in the order of the cells' first round."""
    groups: dict[tuple[int, int], dict[Variant, list[Cell]]] = {}
    for cell in cells:
        groups.setdefault((cell.tokens, cell.concurrency), {}).setdefault(cell.variant, []).append(cell)
    rows = []
    for by_variant in groups.values():
        bare = _by_round(by_variant[Variant.BARE])
        ungated = _by_round(by_variant.get(Variant.UNGATED, ()))
        for variant in Variant:
            if variant in by_variant:
                cells_of = _by_round(by_variant[variant])
                gate = added_median(cells_of, ungated) if variant is Variant.PLUGIN and ungated else None
                rows.append(replace(_row(cells_of, bare), gate_ms=gate))
    return rows


def percentiles(values: Iterable[float], quantiles: Sequence[int] = QUANTILES) -> dict[int, float]:
    """Quantiles in per cent, linear between order statistics; NaN where there is no value."""
    held = np.fromiter(values, np.float64)
    if not len(held):
        return dict.fromkeys(quantiles, float("nan"))
    return {q: float(np.percentile(held, q)) for q in quantiles}


def added_median(cells: Sequence[Cell], bare: Sequence[Cell]) -> Estimate:
    """Mean over rounds of (median of `cells`' round − median of `bare`'s same round)."""
    medians = [[percentiles(c.burst.latencies_ms, [50])[50] for c in side] for side in (cells, bare)]
    difference = np.array(medians[0]) - np.array(medians[1])
    return bootstrap(lambda rounds: float(difference[rounds].mean()), len(difference))


def added_tail(cells: Sequence[Cell], bare: Sequence[Cell], quantile: int) -> Estimate:
    """Quantile over all rounds of `cells` − that of `bare`."""
    sides = [[np.asarray(c.burst.latencies_ms) for c in side] for side in (cells, bare)]

    def difference(rounds: Rows) -> float:
        mine, theirs = (np.percentile(np.concatenate([side[r] for r in rounds]), quantile) for side in sides)
        return float(mine - theirs)

    return bootstrap(difference, len(cells))


def ratio_of_rates(
    cells: Sequence[Cell], bare: Sequence[Cell], over: Callable[[Cell], float], under: Callable[[Cell], float]
) -> Estimate:
    """(sum of `over` / sum of `under`) of `cells`, divided by the same of `bare`."""
    sums = [_column(side, value) for side in (cells, bare) for value in (over, under)]

    def ratio(rounds: Rows) -> float:
        mine_over, mine_under, their_over, their_under = (column[rounds].sum() for column in sums)
        return float(mine_over / mine_under * their_under / their_over)

    return bootstrap(ratio, len(cells))


def _column(cells: Sequence[Cell], value: Callable[[Cell], float]) -> npt.NDArray[np.float64]:
    return np.array([value(cell) for cell in cells], np.float64)


def _row(cells: list[Cell], bare: list[Cell]) -> Row:
    first = cells[0]
    answered = sum(_answered(c) for c in cells)
    compared = first.variant is not Variant.BARE and answered > 0
    return Row(
        variant=first.variant,
        tokens=first.tokens,
        concurrency=first.concurrency,
        requests=round(answered) + sum(c.burst.failed for c in cells),
        failed=sum(c.burst.failed for c in cells),
        latency_ms=percentiles(ms for c in cells for ms in c.burst.latencies_ms),
        added_ms={50: added_median(cells, bare), **{q: added_tail(cells, bare, q) for q in (95, 99)}}
        if compared
        else None,
        per_second=answered / sum(c.burst.seconds for c in cells),
        throughput_ratio=ratio_of_rates(cells, bare, _answered, lambda c: c.burst.seconds) if compared else None,
        cpu_ms=1000 * sum(c.cpu_s for c in cells) / max(answered, 1.0),
        cpu_ratio=ratio_of_rates(cells, bare, lambda c: c.cpu_s, _answered) if compared else None,
        rss_mb=max(c.rss_mb for c in cells),
        routed=dict(sum((c.burst.routed for c in cells), Counter()).most_common()),
    )


def _answered(cell: Cell) -> float:
    return float(len(cell.burst.latencies_ms))


def _by_round(cells: Iterable[Cell]) -> list[Cell]:
    return sorted(cells, key=lambda cell: cell.round)
