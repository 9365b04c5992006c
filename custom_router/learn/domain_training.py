"""Fit the domain model: kernel logistic regression a domain, calibrated, thresholds chosen across sources."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custom_router.domains.model import KernelHead, gaussian
from custom_router.encoder import Vectors
from custom_router.learn.domain_rows import NAMES, NONE, Row

# Chosen by leaving out each training source in turn; a linear head and a perceptron were worse at equal false
# flags, a support vector machine with the same kernel and five times the size was equal.
LANDMARKS = {NONE: 400, "finance": 200, "legal": 200}
GAMMA = 1.0
INVERSE_PENALTY = 30.0
FOLDS = 5
FALSE_FLAGS = {"finance": 0.014, "legal": 0.021}
"""Share of plain negatives each domain may flag, mean over the sources that have them: together below 4 %."""
PRIOR = 0.05
"""Share of traffic assumed to be of one domain: what the probabilities are calibrated to."""
_PLAIN_SOURCES = ("clinc150", "mmlu")

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Fit:
    """A calibrated head and the thresholds that keep its false flags within `FALSE_FLAGS`."""

    head: KernelHead
    thresholds: dict[str, float]


def balance(rows: Sequence[Row]) -> Floats:
    """Weights that let a source count by the root of its size, and each domain the same; mean 1."""
    sizes = Counter((row.source, row.domain) for row in rows)
    weights = np.array([sizes[row.source, row.domain] ** -0.5 for row in rows])
    domains = np.array([row.domain for row in rows])
    for domain in set(domains):
        weights[domains == domain] /= weights[domains == domain].sum()
    return np.asarray(weights / weights.mean())


def fit_head(rows: Sequence[Row], vectors: Vectors) -> KernelHead:
    """Fit on the given rows, uncalibrated. Each domain is told from "none" only: overlap between domains is no
    error, as both are sent up."""
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.linear_model import LogisticRegression

    domains, weights = np.array([row.domain for row in rows]), balance(rows)
    centres = []
    for domain, count in LANDMARKS.items():
        mine = domains == domain
        if not mine.any():
            continue
        means = MiniBatchKMeans(min(count, int(mine.sum())), random_state=0, n_init=1, batch_size=2048, max_iter=10)
        centres.append(means.fit(vectors[mine], sample_weight=weights[mine]).cluster_centers_)
    landmarks = np.concatenate(centres)
    landmarks /= np.linalg.norm(landmarks, axis=1, keepdims=True)
    # The artifact keeps half precision, and the whitening below would magnify a rounding made after the fit.
    landmarks = landmarks.astype(np.float16).astype(np.float64)
    squares = (landmarks**2).sum(1)
    basis, spread, _ = np.linalg.svd(gaussian(landmarks, landmarks, squares, GAMMA))
    whitening = basis / np.sqrt(spread + 1e-6)
    features = gaussian(vectors.astype(np.float64), landmarks, squares, GAMMA) @ whitening
    columns, intercepts = [], []
    for name in NAMES:
        used = (domains == name) | (domains == NONE)
        regression = LogisticRegression(C=INVERSE_PENALTY, max_iter=500)
        regression.fit(features[used], domains[used] == name, sample_weight=weights[used] / weights[used].mean())
        columns.append(whitening @ regression.coef_[0])
        intercepts.append(float(regression.intercept_[0]))
    calibration = np.stack([intercepts, np.ones(len(NAMES))], axis=1)
    return KernelHead(landmarks, np.stack(columns, axis=1), calibration, GAMMA)


def unseen_scores(rows: Sequence[Row], vectors: Vectors) -> Floats:
    """Scores (n, k) of each row by a head that has not seen it: a positive's whole source is left out, a
    negative's fold."""
    scores = np.zeros((len(rows), len(NAMES)))
    sources = np.array([row.source for row in rows])
    positive = np.array([row.domain != NONE for row in rows])
    folds = np.array([row.bucket % FOLDS for row in rows])
    parts = [(positive & (sources == source), sources != source) for source in sorted(set(sources))]
    parts += [(~positive & (folds == fold), positive | (folds != fold)) for fold in range(FOLDS)]
    for asked, kept in parts:
        if asked.any():
            head = fit_head([row for row, keep in zip(rows, kept, strict=True) if keep], vectors[kept])
            scores[asked] = head.scores(vectors[asked]) + head.calibration[:, 0]
    return scores


def fit(rows: Sequence[Row], vectors: Vectors) -> Fit:
    """Fit, calibrate and choose thresholds on training rows only."""
    from sklearn.linear_model import LogisticRegression

    head, scores, weights = fit_head(rows, vectors), unseen_scores(rows, vectors), balance(rows)
    domains = np.array([row.domain for row in rows])
    plain = np.array([row.domain == NONE and not row.hard for row in rows])
    sources = np.array([row.source for row in rows])
    calibration, thresholds = [], {}
    for column, name in enumerate(NAMES):
        used = (domains == name) | (domains == NONE)
        platt = LogisticRegression(C=1e6)
        platt.fit(scores[used, column : column + 1], domains[used] == name, sample_weight=weights[used])
        # The weights make the odds even; the prior makes them those of traffic.
        slope = float(platt.coef_[0, 0])
        shift = float(platt.intercept_[0]) + math.log(PRIOR / (1 - PRIOR))
        calibration.append([shift + slope * head.calibration[column, 0], slope])
        levels = 1 / (1 + np.exp(-(shift + slope * scores[:, column])))
        thresholds[name] = _threshold(
            [levels[plain & (sources == source)] for source in _PLAIN_SOURCES], FALSE_FLAGS[name]
        )
    return Fit(KernelHead(head.landmarks, head.weights, np.array(calibration), GAMMA), thresholds)


def _threshold(negatives: Sequence[Floats], allowed: float) -> float:
    """The lowest threshold, in steps of .01, at which the mean flag rate over sources stays within `allowed`."""
    for threshold in np.arange(0.01, 1.0, 0.01):
        if np.mean([(levels >= threshold).mean() for levels in negatives if len(levels)]) <= allowed:
            return round(float(threshold), 2)
    return 0.99
