"""Turns difficulty into probabilities: a logistic curve whose slope is shrunk until it holds on unseen sources.

A slope fitted across sources is too steep for the next one: how easy a source is on the whole dwarfs what a prompt
shows. The factor is chosen by log-loss on sources left out of the fit, never on evaluate-only data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Groups = npt.NDArray[np.str_]

SEED_GROUP = "seed"
SEED_SHARE = 0.2
"""The seeds' share of all weight, in the fit of the direction and in calibration."""
FACTORS = tuple(step / 10 for step in range(11))
"""Shrinkage factors tried: 0 keeps only the base rate, 1 the slope as fitted."""
_CLIP = 1e-7


BY_ROW = 1.0
"""`size_power` of a final calibration: `p_ok` is a probability for a request, so a request counts, not a source."""


def group_weights(group: Groups, seed_share: float = SEED_SHARE, size_power: float = 0.5) -> Floats:
    """Row weights (n,) summing to 1: a source counts as a power of its size, by default the root, the seeds as
    `seed_share`."""
    names, inverse, counts = np.unique(group, return_inverse=True, return_counts=True)
    weight = counts.astype(np.float64) ** size_power
    seeds = names == SEED_GROUP
    weight[~seeds] *= (1.0 - seed_share if seeds.any() else 1.0) / weight[~seeds].sum()
    weight[seeds] = seed_share
    return np.asarray((weight / counts)[inverse] / weight.sum())


@dataclass(frozen=True)
class Shrinkage:
    """The factor chosen, and the mean log-loss in nats (simple and medium, 2) of every factor tried."""

    factor: float
    log_loss: dict[float, tuple[float, float]]


def calibrate(difficulty: Floats, labels: Floats, weight: Floats, factor: float = 1.0) -> Floats:
    """Intercept and slope (2, 2) for simple and medium, by weighted logistic regression on soft labels.

    `labels` (n, 2) in 0..1, NaN where unknown. The slope is the fitted one times `factor`, the intercept fitted again
    beside it. A slope that would make harder prompts safer is set to zero: then the base rate is all that is known.
    """
    return _with_slopes(difficulty, labels, weight, _slopes(difficulty, labels, weight) * factor)


def choose_shrinkage(difficulty: Floats, labels: Floats, group: Groups) -> Shrinkage:
    """The factor of least log-loss over sources left out in turn, both tiers added, sources weighted as in the fit."""
    sources = [name for name in np.unique(group).tolist() if name != SEED_GROUP]
    loss = np.zeros((len(FACTORS), 2))
    total = np.zeros(2)
    for name in sources:
        out = group == name
        weight = group_weights(group[~out])
        kept = difficulty[~out], labels[~out], weight
        slopes = _slopes(*kept)
        root = np.sqrt((~np.isnan(labels[out])).sum(axis=0))
        total += root
        for at, factor in enumerate(FACTORS):
            loss[at] += root * _log_loss(_with_slopes(*kept, slopes * factor), difficulty[out], labels[out])
    loss /= np.maximum(total, 1.0)
    best = FACTORS[int(np.argmin(loss.sum(axis=1)))]
    return Shrinkage(
        best, {f: (float(simple), float(medium)) for f, (simple, medium) in zip(FACTORS, loss, strict=True)}
    )


def calibrate_elsewhere(difficulty: Floats, labels: Floats, group: Groups) -> dict[str, Floats]:
    """For each source, the calibration (2, 2) that the others give, their own choice of factor included."""
    found = {}
    for name in np.unique(group).tolist():
        kept = group != name
        factor = choose_shrinkage(difficulty[kept], labels[kept], group[kept]).factor
        weight = group_weights(group[kept], size_power=BY_ROW)
        found[name] = calibrate(difficulty[kept], labels[kept], weight, factor)
    return found


def _log_loss(calibration: Floats, difficulty: Floats, labels: Floats) -> Floats:
    """Mean log-loss (2,) of each tier; 0 where no row has its label."""
    p = np.clip(_sigmoid(calibration[:, 0] - difficulty[:, None] * calibration[:, 1]), _CLIP, 1.0 - _CLIP)
    rows = -(labels * np.log(p) + (1.0 - labels) * np.log(1.0 - p))
    known = ~np.isnan(rows)
    return np.asarray(np.where(known, rows, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1))


def _slopes(difficulty: Floats, labels: Floats, weight: Floats) -> Floats:
    fitted = np.zeros(2)
    for tier in range(2):
        known = ~np.isnan(labels[:, tier])
        x = np.column_stack([np.ones(known.sum()), -difficulty[known]])
        fitted[tier] = max(newton(x, labels[known, tier], weight[known], np.zeros(known.sum()))[1], 0.0)
    return fitted


def _with_slopes(difficulty: Floats, labels: Floats, weight: Floats, slopes: Floats) -> Floats:
    fitted = np.zeros((2, 2))
    for tier in range(2):
        known = ~np.isnan(labels[:, tier])
        offset = -slopes[tier] * difficulty[known]
        (intercept,) = newton(np.ones((known.sum(), 1)), labels[known, tier], weight[known], offset)
        fitted[tier] = intercept, slopes[tier]
    return fitted


def newton(x: Floats, y: Floats, weight: Floats, offset: Floats, steps: int = 50) -> Floats:
    """Coefficients (k,) of a weighted logistic regression of `y` (n,) on `x` (n, k), beside a fixed `offset` (n,)."""
    w = weight / weight.sum()
    beta = np.zeros(x.shape[1])
    for _ in range(steps):
        p = _sigmoid(x @ beta + offset)
        curvature = x.T @ (x * (w * p * (1.0 - p))[:, None]) + 1e-9 * np.eye(len(beta))
        step = np.linalg.solve(curvature, x.T @ (w * (y - p)))
        beta += step
        if np.abs(step).max() < 1e-8:
            break
    return beta


def _sigmoid(logit: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logit, -30.0, 30.0))))
