"""Fits a head to a team's own traffic, starting from the one it has.

The incumbent's difficulty is one input beside the vector and the features, and is not shrunk: with few labels the
candidate is the incumbent, calibrated anew; with many it is the team's own. How much is learned is chosen by blocks of
time, each predicted from the others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from custom_router.classify.embedding import DIMENSION, Head
from custom_router.learn.head_calibration import calibrate
from custom_router.learn.own_rows import Mask, OwnRows

Floats = npt.NDArray[np.float64]

RIDGES = (10.0, 3.0, 1.0, 0.3, 0.1, 0.03)
_FEATURE_SHARE = 0.1
"""The features' ridge in units of the vector's: they are few, and measured to carry over better."""
BLOCKS = 5
LEAST_ROWS = 200


class TooFew(ValueError):
    """Not enough labelled rows to learn from, or of one kind only."""


@dataclass(frozen=True)
class Fitted:
    """The head, the ridge chosen, and the log-loss (nats, both tiers) of every ridge on blocks of time left out."""

    head: Head
    ridge: float
    log_loss: dict[float, float]


def fit_own(rows: OwnRows, incumbent: Head) -> Fitted:
    """Fit on `rows`, which are in order of time. Raises `TooFew`."""
    if len(rows) < LEAST_ROWS:
        raise TooFew(f"{len(rows)} labelled prompts; {LEAST_ROWS} are the least")
    target = _difficulty(rows.labels)
    if np.std(target) < 1e-6:
        raise TooFew("every label says the same; there is nothing to learn")
    block = np.arange(len(rows)) * BLOCKS // len(rows)
    left_out = {ridge: np.full(len(rows), np.nan) for ridge in RIDGES}
    for k in range(BLOCKS):
        kept = block != k
        for ridge in RIDGES:
            head = _direction(rows.where(kept), target[kept], incumbent, ridge)
            left_out[ridge][~kept] = _say(head, rows.where(~kept))
    curves = {ridge: _curve(said, rows.labels, incumbent) for ridge, said in left_out.items()}
    losses = {ridge: log_loss(_p(curves[ridge], said), rows.labels).mean() for ridge, said in left_out.items()}
    best = min(RIDGES, key=lambda ridge: losses[ridge])
    head = _direction(rows, target, incumbent, best)
    # Calibrated on what was said of rows left out: of rows learned from it says more than it will know of others.
    return Fitted(
        replace(head, calibration=curves[best].astype(np.float32)), best, {r: float(v) for r, v in losses.items()}
    )


def log_loss(p: Floats, labels: Floats) -> Floats:
    """Cross-entropy in nats of each row (n,), the mean over its known tiers; `p`, `labels` (n, 2)."""
    q = np.clip(p, 1e-6, 1.0 - 1e-6)
    return _known_mean(-(labels * np.log(q) + (1.0 - labels) * np.log(1.0 - q)), axis=1)


def without_source(rows: OwnRows, incumbent: Head, source: str, ridge: float) -> tuple[Head, Mask]:
    """The head that this recipe makes of all other sources, and which rows are that source's."""
    out = rows.prompts.group == source
    kept = rows.where(~out)
    head = _direction(kept, _difficulty(kept.labels), incumbent, ridge)
    curve = _curve(_say(head, kept), kept.labels, incumbent)
    return replace(head, calibration=curve.astype(np.float32)), out


def _difficulty(labels: Floats) -> Floats:
    """How far each row (n,) falls short, each tier against its own mean."""
    return _known_mean(_known_mean(labels, axis=0) - labels, axis=1)


def _known_mean(values: Floats, axis: int) -> Floats:
    """The mean of what is known along an axis; 0 where nothing is."""
    known = ~np.isnan(values)
    return np.asarray(np.where(known, values, 0.0).sum(axis=axis) / np.maximum(known.sum(axis=axis), 1))


def _curve(difficulty: Floats, labels: Floats, incumbent: Head) -> Floats:
    """Intercept and slope (2, 2). A tier that no row speaks of keeps its distance from the other in the incumbent."""
    known = ~np.isnan(labels)
    tried = known.any(axis=0)
    curve = np.zeros((2, 2))
    weight = np.full(len(labels), 1.0 / len(labels))
    usable = np.where(known, labels, np.nan)
    if tried.all():
        return calibrate(difficulty, usable, weight)
    at = int(np.flatnonzero(tried)[0])
    curve[at] = calibrate(difficulty, np.column_stack([usable[:, at]] * 2), weight)[0]
    curve[1 - at] = curve[at] + (incumbent.calibration[1 - at] - incumbent.calibration[at])
    curve[1 - at, 1] = max(curve[1 - at, 1], 0.0)
    return curve


def _direction(rows: OwnRows, target: Floats, incumbent: Head, ridge: float) -> Head:
    prompts = rows.prompts
    scale = np.sqrt(DIMENSION)
    inputs = np.hstack(
        [prompts.vectors * scale, incumbent.standardise(prompts.features), _say(incumbent, rows)[:, None]]
    ).astype(np.float64)
    penalty = np.full(inputs.shape[1], ridge)
    penalty[DIMENSION:] *= _FEATURE_SHARE
    penalty[-1] = 1e-6
    centred = inputs - inputs.mean(axis=0)
    gram = centred.T @ centred / len(rows) + np.diag(penalty)
    solved = np.linalg.solve(gram, centred.T @ (target - target.mean()) / len(rows)).astype(np.float32)
    kept = solved[-1]
    return replace(
        incumbent,
        vector_weights=kept * incumbent.vector_weights + solved[:DIMENSION] * np.float32(scale),
        feature_weights=kept * incumbent.feature_weights + solved[DIMENSION:-1],
    )


def _say(head: Head, rows: OwnRows) -> Floats:
    return head.difficulty(rows.prompts.vectors, rows.prompts.features).astype(np.float64)


def _p(curve: Floats, difficulty: Floats) -> Floats:
    logits = curve[:, 0] - curve[:, 1] * difficulty[:, None]
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -30.0, 30.0))))
