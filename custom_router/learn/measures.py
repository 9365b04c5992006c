"""How good a router's scores are: APGR, CPT, AUROC, calibration error, and their bootstrap intervals.

APGR and CPT are RouteLLM's (arXiv 2406.18665). Ties are broken by expectation, so a constant score gets exactly
what a shuffle gets on average.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Curve:
    """Share of traffic sent to the strong model (0..1, rising) against the share of the quality gap recovered."""

    share: Floats
    recovered: Floats


def recovery_curve(need: Floats, weak: Floats, strong: Floats) -> Curve:
    """Send the prompts with the highest `need` (n,) to the strong model first; `weak`, `strong` are scores (n,).

    Straight between tied prompts. NaN throughout where the two models are equally good on average.
    """
    gain = strong - weak
    total = gain.sum()
    order = np.argsort(-need, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(need[order])), len(need) - 1)
    cumulative = np.cumsum(gain[order])[ends]
    recovered = cumulative / total if total else np.full(len(ends), np.nan)
    return Curve(np.append(0.0, (ends + 1) / len(need)), np.append(0.0, recovered))


def apgr(need: Floats, weak: Floats, strong: Floats) -> float:
    """Average performance gap recovered: the area under `recovery_curve`. Chance is 0.5."""
    curve = recovery_curve(need, weak, strong)
    return float(np.trapezoid(curve.recovered, curve.share))


def cpt(need: Floats, weak: Floats, strong: Floats, level: float) -> float:
    """Call-performance threshold: least share sent to the strong model that recovers `level` of the gap."""
    curve = recovery_curve(need, weak, strong)
    reached = np.flatnonzero(curve.recovered >= level)
    if not len(reached):
        return float("nan")
    at = int(reached[0])
    if at == 0:
        return 0.0
    low, high = curve.recovered[at - 1], curve.recovered[at]
    part = (level - low) / (high - low)
    return float(curve.share[at - 1] + part * (curve.share[at] - curve.share[at - 1]))


def auroc(score: Floats, label: Floats) -> float:
    """Probability that a row with label 1 scores above one with label 0 (ties count half); NaN for one class."""
    positives = label > 0.5
    pos, neg = int(positives.sum()), int((~positives).sum())
    if not pos or not neg:
        return float("nan")
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2.0)[inverse]
    return float((ranks[positives].sum() - pos * (pos + 1) / 2.0) / (pos * neg))


@dataclass(frozen=True)
class Bin:
    """One reliability bin: mean predicted probability, observed rate, rows."""

    predicted: float
    observed: float
    rows: int


def reliability(p: Floats, label: Floats, bins: int = 10) -> list[Bin]:
    """Bins of equal size over the sorted probabilities `p` (n,)."""
    order = np.argsort(p, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return [Bin(float(p[part].mean()), float(label[part].mean()), len(part)) for part in parts]


def ece(p: Floats, label: Floats, bins: int = 10) -> float:
    """Expected calibration error over bins of equal size."""
    return sum(b.rows * abs(b.predicted - b.observed) for b in reliability(p, label, bins)) / len(p)


@dataclass(frozen=True)
class Estimate:
    """A statistic with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def bootstrap(statistic: Callable[[Rows], float], rows: int, *, seed: int = 0, draws: int = 500) -> Estimate:
    """`statistic` on all row numbers, with the percentile interval over `draws` resamples of them."""
    rng = np.random.default_rng(seed)
    resampled = [statistic(rng.integers(0, rows, rows)) for _ in range(draws)]
    low, high = np.nanpercentile(resampled, [2.5, 97.5])
    return Estimate(statistic(np.arange(rows)), float(low), float(high))
