"""The chain simple → medium → frontier: two thresholds, chosen on some sources and measured on another."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custom_router.learn.gate_cascades import Cascade
from custom_router.learn.gate_measures import coherence

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]

LEAST_COHERENCE = 0.6
"""Label-free: below it a source's signals are taken to say nothing, and it goes straight to the frontier."""
_GRID = 31


@dataclass(frozen=True)
class Link:
    """One source in one chain: `good` and `cost` (3, n) by tier; the score of simple's own answer, and of medium's with
    simple's as a second opinion, (n,) each; and how far the signals hang together."""

    name: str
    good: Floats
    cost: Floats
    first: Floats
    second: Floats
    coherence: float

    @classmethod
    def of(cls, cascade: Cascade, models: tuple[str, str, str]) -> Link:
        """A cascade's models, simple, medium and frontier."""
        simple, medium, _ = models
        outcomes = [cascade.models[model] for model in models]
        return cls(
            cascade.name,
            np.stack([one.good for one in outcomes]),
            np.stack([one.cost for one in outcomes]),
            cascade.score(simple),
            cascade.score(medium, simple),
            coherence(cascade.models[simple].own, cascade.agreement(simple, medium)),
        )

    @property
    def informative(self) -> bool:
        """Whether the signals hang together, which no label was needed to see."""
        return not self.coherence < LEAST_COHERENCE


@dataclass(frozen=True)
class Thresholds:
    """Least scores at which simple's and medium's answers are delivered."""

    first: float
    second: float


STRAIGHT_UP = Thresholds(math.inf, math.inf)


def outcome(link: Link, at: Thresholds, rows: Rows | None = None, *, ask: bool = True) -> tuple[float, float]:
    """(quality, cost) as shares of the frontier's. Without `ask` everything goes straight to it."""
    if not ask:
        return 1.0, 1.0
    good, cost = (link.good, link.cost) if rows is None else (link.good[:, rows], link.cost[:, rows])
    first, second = (link.first, link.second) if rows is None else (link.first[rows], link.second[rows])
    simple = first >= at.first
    medium = ~simple & (second >= at.second)
    quality = np.where(simple, good[0], np.where(medium, good[1], good[2]))
    paid = cost[0] + np.where(simple, 0.0, cost[1] + np.where(medium, 0.0, cost[2]))
    return float(quality.mean() / good[2].mean()), float(paid.mean() / cost[2].mean())


def choose(links: list[Link], quality: float) -> Thresholds:
    """The thresholds that keep `quality` of the frontier's as a mean over `links` at least cost."""
    shares = np.linspace(0.0, 1.0, _GRID)
    firsts = np.append(np.quantile(np.concatenate([link.first for link in links]), shares), np.inf)
    seconds = np.append(np.quantile(np.concatenate([link.second for link in links]), shares), np.inf)
    best, least = STRAIGHT_UP, math.inf
    for first in np.unique(firsts):
        for second in np.unique(seconds):
            at = Thresholds(float(first), float(second))
            kept, cost = np.mean([outcome(link, at) for link in links], axis=0)
            if kept >= quality - 1e-12 and cost < least:
                best, least = at, float(cost)
    return best


@dataclass(frozen=True)
class Transfer:
    """One source with thresholds of the others: (quality, cost) shares of the frontier's."""

    link: Link
    at: Thresholds
    asked: bool

    def result(self, rows: Rows | None = None) -> tuple[float, float]:
        """Quality and cost, of all rows or of these."""
        return outcome(self.link, self.at, rows, ask=self.asked)


def transfer(links: list[Link], quality: float, *, naming: bool) -> list[Transfer]:
    """Every source with thresholds chosen on the others.

    With `naming`, sources whose signals do not hang together are sent straight up, and teach the others nothing.
    """
    moved = []
    for link in links:
        asked = link.informative or not naming
        others = [other for other in links if other is not link and (other.informative or not naming)]
        moved.append(Transfer(link, choose(others, quality) if asked else STRAIGHT_UP, asked))
    return moved
