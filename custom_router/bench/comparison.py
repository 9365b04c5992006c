"""What a choice of tiers was worth, beside fixed tiers, random ones and the same tiers shuffled. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custom_router.learn.measures import Estimate, Rows, apgr, bootstrap
from custom_router.tiers import TIERS, Tier

Floats = npt.NDArray[np.float64]
Choice = npt.NDArray[np.intp]

PERMUTATIONS = 1_000
LEAST_GAP = 0.02
"""Below this difference between all-frontier's and all-simple's quality, shares of the gap mean nothing."""


@dataclass(frozen=True)
class Outcome:
    """Rows with every tier's quality and cost: `score`, `cost` (n, 3), dollars; `chosen` (n,) tier ranks;
    `need` (n,), the router's 1 − p_ok[simple], NaN where a rule or a late encoder left no score; `source` (n,)."""

    score: Floats
    cost: Floats
    chosen: Choice
    need: Floats
    source: npt.NDArray[np.str_]

    def where(self, mask: npt.NDArray[np.bool_]) -> Outcome:
        """The rows that `mask` keeps."""
        return Outcome(self.score[mask], self.cost[mask], self.chosen[mask], self.need[mask], self.source[mask])


@dataclass(frozen=True)
class Line:
    """One strategy: mean quality (0..1), dollars for all rows, and both as shares of all-frontier's."""

    strategy: str
    quality: Estimate
    quality_share: float
    cost: float
    cost_share: float


@dataclass(frozen=True)
class Comparison:
    """All strategies on one set of rows.

    `mix` is the router's share of each tier. `beaten` is the share of shuffles whose quality is below the router's
    (ties count half): 0.5 is chance. `gap_recovered` is the router's part of the way from all-simple's quality to
    all-frontier's, `shuffled_gap` a shuffle's; `apgr` orders the `scored` rows, those with a `need`, by it (chance
    0.5). The three are None where that gap is under `LEAST_GAP`.
    """

    rows: int
    mix: dict[str, float]
    lines: list[Line]
    beaten: float
    gap_recovered: float | None
    shuffled_gap: float | None
    scored: int
    apgr: Estimate | None


def compare(outcome: Outcome, seed: int = 0) -> Comparison:
    """Compare. Intervals: resampled rows for what is fixed, permutations for what is shuffled or random."""
    rng = np.random.default_rng(seed)
    n = len(outcome.chosen)
    shuffles = [rng.permutation(outcome.chosen) for _ in range(PERMUTATIONS)]
    draws = [rng.integers(0, len(TIERS), n) for _ in range(PERMUTATIONS)]
    lines = [_fixed(outcome, "router", outcome.chosen)]
    lines += [_fixed(outcome, f"all-{tier.value}", np.full(n, tier.rank)) for tier in TIERS]
    lines += [_drawn(outcome, "shuffled", shuffles)]
    if len(set(outcome.source.tolist())) > 1:
        within = [shuffled_within(outcome.chosen, outcome.source, rng) for _ in range(PERMUTATIONS)]
        lines += [_drawn(outcome, "shuffled within source", within)]
    lines += [_drawn(outcome, "random", draws)]
    shuffled = np.array([mean_quality(outcome, choice) for choice in shuffles])
    routed = mean_quality(outcome, outcome.chosen)
    low, gap = float(outcome.score[:, Tier.SIMPLE.rank].mean()), quality_gap(outcome)
    meaningful = gap >= LEAST_GAP
    scored = outcome.where(~np.isnan(outcome.need))
    ranked = meaningful and len(scored.need) > 1 and quality_gap(scored) >= LEAST_GAP
    return Comparison(
        rows=n,
        mix={tier.value: float((outcome.chosen == tier.rank).mean()) for tier in TIERS},
        lines=lines,
        beaten=share_below(shuffled, routed),
        gap_recovered=(routed - low) / gap if meaningful else None,
        shuffled_gap=(float(shuffled.mean()) - low) / gap if meaningful else None,
        scored=len(scored.need),
        apgr=bootstrap(lambda rows: _apgr(scored, rows), len(scored.need), seed=seed) if ranked else None,
    )


def quality_gap(outcome: Outcome) -> float:
    """All-frontier's mean score − all-simple's."""
    return float((outcome.score[:, Tier.FRONTIER.rank] - outcome.score[:, Tier.SIMPLE.rank]).mean())


def mean_quality(outcome: Outcome, choice: Choice) -> float:
    """Mean score when row i is answered by tier `choice[i]`."""
    return float(outcome.score[np.arange(len(choice)), choice].mean())


def total_cost(outcome: Outcome, choice: Choice) -> float:
    """Dollars when row i is answered by tier `choice[i]`."""
    return float(outcome.cost[np.arange(len(choice)), choice].sum())


def shuffled_within(choice: Choice, source: npt.NDArray[np.str_], rng: np.random.Generator) -> Choice:
    """`choice` permuted among the rows of each source: what knowing the source alone would be worth."""
    shuffled = choice.copy()
    for name in np.unique(source):
        rows = np.flatnonzero(source == name)
        shuffled[rows] = rng.permutation(choice[rows])
    return shuffled


def share_below(values: Floats, value: float) -> float:
    """Share of `values` below `value`, ties counting half."""
    # Sums of the same scores in another order differ in the last bit.
    tied = np.isclose(values, value, rtol=0.0, atol=1e-12)
    return float(((values < value) & ~tied).mean() + tied.mean() / 2)


def _fixed(outcome: Outcome, strategy: str, choice: Choice) -> Line:
    scores = outcome.score[np.arange(len(choice)), choice]
    mean: Callable[[Rows], float] = lambda rows: float(scores[rows].mean())  # noqa: E731 - typed in place
    return _line(outcome, strategy, bootstrap(mean, len(choice)), total_cost(outcome, choice))


def _drawn(outcome: Outcome, strategy: str, choices: list[Choice]) -> Line:
    qualities = np.array([mean_quality(outcome, choice) for choice in choices])
    low, high = np.percentile(qualities, [2.5, 97.5])
    cost = float(np.mean([total_cost(outcome, choice) for choice in choices]))
    return _line(outcome, strategy, Estimate(float(qualities.mean()), float(low), float(high)), cost)


def _line(outcome: Outcome, strategy: str, quality: Estimate, cost: float) -> Line:
    top = outcome.score[:, Tier.FRONTIER.rank].mean()
    dearest = outcome.cost[:, Tier.FRONTIER.rank].sum()
    share = quality.value / float(top) if top else float("nan")
    return Line(strategy, quality, share, cost, cost / float(dearest) if dearest else float("nan"))


def _apgr(outcome: Outcome, rows: Rows) -> float:
    return apgr(outcome.need[rows], outcome.score[rows, Tier.SIMPLE.rank], outcome.score[rows, Tier.FRONTIER.rank])
