"""Fits `Typicality`: what training prompts look like, and how unusual a prompt of an unseen source normally is."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from custom_router.classify.typicality import KINDS, Typicality, letter_pairs
from custom_router.learn.head_calibration import group_weights
from custom_router.learn.head_training import Prompts

Array = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

CENTROIDS = 128
_FOREIGN_NATS = 9.0
"""Cost of a letter outside plain English: training prompts hold too few to learn it from."""
_QUANTILES = 400


def fit_typicality(prompts: Prompts, seed: int = 0) -> tuple[Typicality, Array]:
    """Centroids and letter statistics of all prompts; the scale from prompts judged without their own source.

    Also returns `ood` (n,) of every training prompt so judged: its share above a limit is the false-flag rate.
    """
    unseen = np.empty((len(prompts.views), 3), np.float32)
    for name in np.unique(prompts.group):
        out = prompts.group == name
        model = _fit_parts(prompts.where(~out), seed)
        kept = prompts.where(out)
        unseen[out] = [model.components(v, x) for v, x in zip(kept.views, kept.vectors, strict=True)]
    fitted = _scaled(_fit_parts(prompts, seed), unseen, group_weights(prompts.group))
    ranks = np.searchsorted(fitted.quantiles, fitted.combine(unseen))
    return fitted, np.asarray(ranks / len(fitted.quantiles), np.float32)


def _fit_parts(prompts: Prompts, seed: int) -> Typicality:
    from sklearn.cluster import MiniBatchKMeans

    weight = group_weights(prompts.group)
    means = MiniBatchKMeans(CENTROIDS, random_state=seed, n_init=1, batch_size=1024, max_iter=20)
    centroids = means.fit(prompts.vectors, sample_weight=weight * len(weight)).cluster_centers_
    centroids = (centroids / np.linalg.norm(centroids, axis=1, keepdims=True)).astype(np.float32)
    surprise = _pair_surprise(prompts, weight)
    pairs = [letter_pairs(view.text.strip()) for view in prompts.views]
    usual = [float(surprise[p].mean()) if len(p) else np.nan for p in pairs]
    known = ~np.isnan(usual)
    one = np.ones(3, np.float32)
    return Typicality(
        centroids, surprise, float(np.average(np.array(usual)[known], weights=weight[known])), one * 0, one, one[:0]
    )


def _pair_surprise(prompts: Prompts, weight: Floats) -> Array:
    counts = np.full(KINDS * KINDS, 1e-7)
    for view, w in zip(prompts.views, weight, strict=True):
        pairs = letter_pairs(view.text.strip())
        np.add.at(counts, pairs, w / max(len(pairs), 1))
    table = counts.reshape(KINDS, KINDS) + 1e-5
    nats = -np.log(table / table.sum(axis=1, keepdims=True))
    nats[:, -1] = _FOREIGN_NATS
    return np.asarray(nats.reshape(-1), np.float32)


def _scaled(parts: Typicality, unseen: Array, weight: Floats) -> Typicality:
    centre, high = (_weighted_quantile(unseen, weight, q) for q in (0.5, 0.95))
    scaled = dataclasses.replace(parts, centre=centre, spread=np.maximum(high - centre, 1e-3))
    combined = scaled.combine(unseen)[:, None]
    levels = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    quantiles = np.array([_weighted_quantile(combined, weight, q)[0] for q in levels], np.float32)
    return Typicality.from_arrays(dataclasses.replace(scaled, quantiles=quantiles).arrays())


def _weighted_quantile(values: Array, weight: Floats, q: float) -> Array:
    found = []
    for column in values.T:
        order = np.argsort(column)
        cumulative = np.cumsum(weight[order]) / weight.sum()
        found.append(column[order][min(int(np.searchsorted(cumulative, q)), len(order) - 1)])
    return np.array(found, np.float32)
