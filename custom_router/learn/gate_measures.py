"""Measures of a gate: calibration error over equal-width bins and what chance alone would show, AUROC's interval."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from custom_router.learn.measures import auroc

Floats = npt.NDArray[np.float64]

BINS = 10
_Z95 = 1.959964


def bins_of(p: Floats, bins: int = BINS) -> npt.NDArray[np.intp]:
    """Number of the equal-width bin of each probability."""
    return np.minimum((p * bins).astype(np.intp), bins - 1)


def calibration_error(p: Floats, label: Floats, bins: int = BINS) -> float:
    """Expected calibration error over bins of equal width: mean distance of prediction and outcome, by rows."""
    sums = np.bincount(bins_of(p, bins), weights=p - label, minlength=bins)
    return float(np.abs(sums).sum() / len(p))


def chance_error(p: Floats, *, draws: int = 200, seed: int = 0) -> float:
    """Mean calibration error of probabilities that are exactly right, over outcomes drawn from them."""
    rng = np.random.default_rng(seed)
    return float(np.mean([calibration_error(p, (rng.random(len(p)) < p).astype(np.float64)) for _ in range(draws)]))


def reliability_bins(p: Floats, label: Floats, bins: int = BINS) -> list[tuple[float, float, int]]:
    """(mean prediction, share good, rows) of every equal-width bin that holds rows."""
    at = bins_of(p, bins)
    return [
        (float(p[at == b].mean()), float(label[at == b].mean()), int((at == b).sum())) for b in np.unique(at).tolist()
    ]


def auroc_interval(score: Floats, label: Floats) -> tuple[float, float, float]:
    """AUROC and its 95 % interval by Hanley and McNeil (1982); NaN for one class. Labels above .5 are positive."""
    area = auroc(score, label)
    positives = int((label > 0.5).sum())
    negatives = len(label) - positives
    if not positives or not negatives:
        return math.nan, math.nan, math.nan
    q1, q2 = area / (2 - area), 2 * area * area / (1 + area)
    spread = area * (1 - area) + (positives - 1) * (q1 - area**2) + (negatives - 1) * (q2 - area**2)
    half = _Z95 * math.sqrt(max(spread, 0.0) / (positives * negatives))
    return area, max(area - half, 0.0), min(area + half, 1.0)


def coherence(own: Floats, agreement: Floats) -> float:
    """AUROC of a model's own confidence (n,) for another model's agreement (n,) with it in 0..1, cut at half.

    It needs no label. Where both signals tell right from wrong, a sure answer is agreed with more often; at about .5
    at least one of them says nothing.
    """
    return auroc(own, (agreement >= 0.5).astype(np.float64))


def coverage_at(score: Floats, label: Floats, accuracy: float) -> float:
    """Largest share of answers, best scores first, of which at least `accuracy` are good."""
    order = np.argsort(-score, kind="stable")
    share_good = np.cumsum(label[order]) / np.arange(1, len(label) + 1)
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(label) - 1)  # tied answers stay together
    reached = ends[share_good[ends] >= accuracy]
    return float(reached[-1] + 1) / len(label) if len(reached) else 0.0
