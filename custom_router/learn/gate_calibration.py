"""Fits one calibrator to labelled answers, and says whether their signals tell anything.

Beta calibration was chosen on the recorded cascades (nine models, five sources, ten-fold): it comes down to what a
perfect calibrator would show there by chance. So, within noise, does Platt's for own confidence; with an opinion, whose
scores have two humps, one slope is a little worse. Isotonic regression is worse at 300 rows and ties answers.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from custom_router.confidence.calibrate import Calibrator
from custom_router.learn.gate_measures import auroc_interval

Floats = npt.NDArray[np.float64]

MIN_ROWS = 50
"""Labelled rows below which a segment or model gets no calibrator of its own."""
USEFUL_AUROC = 0.65
"""Least AUROC worth a gate: with normal scores, escalating the lower half of the answers then catches 61 % of the bad
ones (where half are bad) to 71 % (where few are); a coin catches half."""

_STEPS = 100
_FOLDS = 10
_PRIOR_SD = 2.0
_FLAT = 1e-4
"""Slope of a calibrator that gives the base rate: enough to keep the order, too little to move a probability."""


def fit_calibrator(score: Floats, good: Floats, prior: Calibrator) -> Calibrator:
    """The calibrator of greatest posterior probability for `score` (n,) and labels `good` (n,) in 0..1.

    Intercept and log slopes have normal priors around those of `prior`, standard deviation 2: they matter where rows
    are few or all good, and let go within some dozens of rows.
    """
    centre = np.array([prior.intercept, math.log(prior.low), math.log(prior.high)])
    low, high = -np.logaddexp(0.0, -score), np.logaddexp(0.0, score)

    def loss(theta: Floats) -> tuple[float, Floats]:
        odds = theta[0] + math.exp(theta[1]) * low + math.exp(theta[2]) * high
        penalty = 0.5 * float((((theta - centre) / _PRIOR_SD) ** 2).sum())
        return float((np.logaddexp(0.0, odds) - good * odds).sum()) + penalty, odds

    theta = centre
    value, odds = loss(theta)
    for _ in range(_STEPS):
        p = 1.0 / (1.0 + np.exp(-np.clip(odds, -30.0, 30.0)))
        slope = np.column_stack([np.ones(len(score)), math.exp(theta[1]) * low, math.exp(theta[2]) * high])
        gradient = slope.T @ (p - good) + (theta - centre) / _PRIOR_SD**2
        curvature = (slope * (p * (1.0 - p))[:, None]).T @ slope + np.eye(3) / _PRIOR_SD**2
        step, length = np.linalg.solve(curvature, gradient), 1.0
        step *= min(1.0, 5.0 / float(np.abs(step).max() or 1.0))
        while (found := loss(theta - length * step))[0] > value and length > 1e-6:
            length /= 2
        if value - found[0] < 1e-9:
            break
        theta = theta - length * step
        value, odds = found
    return Calibrator(intercept=float(theta[0]), low=float(np.exp(theta[1])), high=float(np.exp(theta[2])))


def base_rate(good: Floats) -> Calibrator:
    """A calibrator that gives everyone the share of good answers, by Laplace's rule, and keeps the order."""
    p = (float(good.sum()) + 1.0) / (len(good) + 2.0)
    return Calibrator(intercept=math.log(p / (1.0 - p)), low=_FLAT, high=_FLAT)


def is_informative(score: Floats, good: Floats) -> bool:
    """Whether the score tells good answers from bad: AUROC surely above chance (95 %), and at least `USEFUL_AUROC`.

    Answers that are all good or all bad show nothing: they count as informative, since nothing speaks against it.
    """
    area, low, _ = auroc_interval(score, good)
    return math.isnan(area) or (low > 0.5 and area >= USEFUL_AUROC)


def fit_entry(score: Floats, good: Floats, prior: Calibrator) -> tuple[Calibrator, bool]:
    """The calibrator to use for these rows, and whether their signals are informative."""
    informative = is_informative(score, good)
    return (fit_calibrator(score, good, prior) if informative else base_rate(good)), informative


def apply(calibrator: Calibrator, score: Floats) -> Floats:
    """Probabilities (n,) of scores (n,)."""
    return np.array([calibrator(float(one)) for one in score])


def out_of_fold(score: Floats, good: Floats, prior: Calibrator, *, seed: int = 0) -> Floats:
    """Probabilities (n,), each by a calibrator fitted on nine tenths of the rows without it."""
    fold = np.random.default_rng(seed).permutation(len(score)) % min(_FOLDS, len(score))
    p = np.empty(len(score))
    for number in np.unique(fold):
        out = fold == number
        p[out] = apply(fit_entry(score[~out], good[~out], prior)[0], score[out])
    return p


def group_spread(score: Floats, good: Floats, group: npt.NDArray[np.intp], calibrator: Calibrator) -> float:
    """How far (standard deviation, log odds) groups of at least `MIN_ROWS` rows lie from a calibrator fitted on all.

    Half a unit where fewer than three groups tell.
    """
    p = apply(calibrator, score)
    odds = np.log(p / (1.0 - p))
    large = [one for one in np.unique(group) if (group == one).sum() >= MIN_ROWS]
    shifts = [_shift(odds[group == one], good[group == one]) for one in large]
    return float(np.std(shifts, ddof=1)) if len(shifts) >= 3 else 0.5


def _shift(odds: Floats, good: Floats) -> float:
    shift = 0.0
    for _ in range(_STEPS):
        p = 1.0 / (1.0 + np.exp(-np.clip(odds + shift, -30.0, 30.0)))
        step = (float((p - good).sum()) + shift / _PRIOR_SD**2) / (float((p * (1.0 - p)).sum()) + 1.0 / _PRIOR_SD**2)
        shift -= min(max(step, -2.0), 2.0)
        if abs(step) < 1e-6:
            break
    return shift
