"""Ways to decide which cheap answers to escalate, and what each recovers, before and after it is paid for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custom_router.learn.gate_cascades import Cascade
from custom_router.learn.measures import Estimate, apgr

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]

BAND = 2.0
"""Second opinions asked for each escalation: the least sure 2e of the answers are asked about, e of them escalated."""


@dataclass(frozen=True)
class Ladder:
    """Outcomes of a cheap and a strong model on the same n questions: `good` 0..1 and `cost` in USD, each (n,)."""

    weak: Floats
    strong: Floats
    weak_cost: Floats
    strong_cost: Floats

    @classmethod
    def of(cls, cascade: Cascade, weak: str, strong: str) -> Ladder:
        """Two models of a cascade."""
        low, high = cascade.models[weak], cascade.models[strong]
        return cls(low.good, high.good, low.cost, high.cost)


def paid_apgr(
    ladder: Ladder, own: Floats, score: Floats, opinion_cost: Floats, rows: Rows, band: float = BAND
) -> float:
    """Average gap recovered over what is spent beyond the cheap answers, 0 to what sending all of them on costs.

    Opinions are asked about the `band` * e least sure answers by `own`, and the e lowest of those by `score` escalated.
    """
    low, high = ladder.weak[rows], ladder.strong[rows]
    price, asked_price = ladder.strong_cost[rows], opinion_cost[rows]
    n, total, full = len(rows), float((high - low).sum()), float(price.sum())
    least_sure = np.argsort(own[rows], kind="stable")
    spent, recovered = [0.0], [0.0]
    for escalated in range(1, n + 1, max(1, n // 100)):
        asked = least_sure[: min(n, round(band * escalated))]
        sent = asked[np.argsort(score[rows][asked], kind="stable")[:escalated]]
        spent.append(float(asked_price[asked].sum() + price[sent].sum()) / full)
        recovered.append(float((high - low)[sent].sum()) / total)
    grid = np.linspace(0.0, 1.0, 201)
    order = np.argsort(spent, kind="stable")
    return float(np.trapezoid(np.interp(grid, np.array(spent)[order], np.array(recovered)[order]), grid))


def plain_apgr(ladder: Ladder, score: Floats, rows: Rows) -> float:
    """RouteLLM's APGR of escalating the lowest scores first."""
    return apgr(-score[rows], ladder.weak[rows], ladder.strong[rows])


def share_of_top(ladder: Ladder, delivered: npt.NDArray[np.bool_], rows: Rows) -> tuple[float, float]:
    """(quality, cost) as shares of the strong model's, where `delivered` answers stand and the others are escalated."""
    kept = delivered[rows]
    good = np.where(kept, ladder.weak[rows], ladder.strong[rows]).mean()
    cost = (ladder.weak_cost[rows] + np.where(kept, 0.0, ladder.strong_cost[rows])).mean()
    return float(good / ladder.strong[rows].mean()), float(cost / ladder.strong_cost[rows].mean())


def cost_at(ladder: Ladder, score: Floats, quality: float, extra: Floats | None = None) -> float:
    """Least cost, as a share of the strong model's, at which escalating the lowest scores keeps `quality` of its
    quality, thresholds taken on these very rows; 1 where sending everything straight up is cheaper.

    `extra` (n,) is paid for every answer, in USD.
    """
    order = np.argsort(score, kind="stable")
    good = np.append(ladder.weak.sum(), ladder.weak.sum() + np.cumsum((ladder.strong - ladder.weak)[order]))
    fixed = ladder.weak_cost.sum() + (0.0 if extra is None else extra.sum())
    cost = fixed + np.append(0.0, np.cumsum(ladder.strong_cost[order]))
    reached = good >= quality * ladder.strong.sum() - 1e-9
    return float(min(cost[reached].min(initial=np.inf) / ladder.strong_cost.sum(), 1.0))


def mean_estimate(statistics: list[Callable[[Rows], float]], sizes: list[int], *, draws: int = 500) -> Estimate:
    """Mean over sources of a statistic of their rows, with its interval when each source's rows are drawn anew."""
    rng = np.random.default_rng(0)

    def once(pick: Callable[[int], Rows]) -> float:
        # A draw without a gap between the models has no APGR; a mean over the sources that have one stands for it.
        found = np.array([one(pick(size)) for one, size in zip(statistics, sizes, strict=True)])
        return float(found[np.isfinite(found)].mean()) if np.isfinite(found).any() else float("nan")

    drawn = [once(lambda size: rng.integers(0, size, size)) for _ in range(draws)]
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return Estimate(once(lambda size: np.arange(size)), float(low), float(high))
