"""Fits the embedding head's difficulty direction: one that holds within every source.

What public outcomes teach across sources is small, so the recipe is the plainest that was best leave-one-source-out:
ridge regression of difficulty, features and target centred within each source (so that it cannot learn which source
a prompt is from), every source weighted by the root of its size, multiple-choice prompts also shown without their
options. `head_calibration` then fits probabilities on predictions for sources that the fit had not seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custom_router.classify.embedding import DIMENSION, Head
from custom_router.classify.features import NAMES, surface_features
from custom_router.learn.head_calibration import SEED_GROUP, group_weights
from custom_router.learn.outcomes import Encode, Outcomes, without_options
from custom_router.learn.seed_prompts import LABELS, SEEDS
from custom_router.request import RequestView

Array = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

RIDGE = 0.003
VECTOR_SCALE = 0.05
"""How strongly the vector counts beside the surface features before ridge shrinks both. Of eight pairs this one was
best by mean APGR over training sources left out in turn, each weighing the root of its size."""
_UNUSED = ("turns", "tools", "system", "context", "signal_tools", "signal_attachment", "signal_json")
"""Features that no training prompt shows: their weight stays zero."""


@dataclass(frozen=True)
class Prompts:
    """Training or evaluation prompts, encoded: `vectors` (n, 384), `features` (n, len(NAMES)), `group` (n,)."""

    views: list[RequestView]
    vectors: Array
    features: Array
    group: npt.NDArray[np.str_]

    def where(self, mask: npt.NDArray[np.bool_]) -> Prompts:
        """The rows that `mask` keeps."""
        kept = [view for view, keep in zip(self.views, mask, strict=True) if keep]
        return Prompts(kept, self.vectors[mask], self.features[mask], self.group[mask])


def view_of(text: str) -> RequestView:
    """A prompt as the request it would arrive as: one user turn."""
    return RequestView.from_chat({"messages": [{"role": "user", "content": text}]})


def prepare(texts: Iterable[str], group: npt.NDArray[np.str_], encode: Encode) -> Prompts:
    """Encode the bounded views of `texts` and compute their surface features."""
    views = [view_of(text) for text in texts]
    features = np.stack([surface_features(view) for view in views])
    return Prompts(views, encode([view.bounded for view in views]), features, group)


@dataclass(frozen=True)
class TrainingSet:
    """Outcome prompts first, seeds last. `stems` are the same prompts without their multiple-choice options.

    `difficulty` (n,) is the target; `labels` (n, 2) in 0..1 say whether simple and medium suffice, NaN where unknown.
    """

    prompts: Prompts
    stems: Prompts
    difficulty: Floats
    labels: Floats

    @property
    def groups(self) -> list[str]:
        """Source names, without the seeds."""
        return sorted(set(self.prompts.group.tolist()) - {SEED_GROUP})


def training_set(outcomes: Outcomes, encode: Encode) -> TrainingSet:
    """Build the training set from the trainable rows of `outcomes` and the seeds."""
    rows = outcomes.where(outcomes.trainable)
    seeds = [(text, LABELS[kind]) for kind, texts in SEEDS.items() for text in texts]
    seed_labels = np.array([label for _, label in seeds])
    texts = [*rows.text, *(text for text, _ in seeds)]
    group = np.append(rows.group, np.full(len(seeds), SEED_GROUP))
    labels = np.column_stack([rows.suffices(0), rows.suffices(1)])
    return TrainingSet(
        prompts=prepare(texts, group, encode),
        stems=prepare([without_options(text) for text in texts], group, encode),
        difficulty=np.append(rows.difficulty, 1.0 - seed_labels[:, 0]),
        labels=np.vstack([labels, seed_labels]),
    )


def fit_direction(data: TrainingSet, rows: npt.NDArray[np.bool_]) -> Head:
    """Ridge of within-source difficulty on the rows given; the calibration is left at p_ok = 1/2."""
    prompts, stems = data.prompts.where(rows), data.stems.where(rows)
    target, weight = data.difficulty[rows], group_weights(prompts.group)
    mean = prompts.features.mean(axis=0)
    scale = prompts.features.std(axis=0) + 0.05
    blank = Head(
        np.zeros(DIMENSION, np.float32), np.zeros(len(NAMES), np.float32), mean, scale, np.zeros((2, 2), np.float32)
    )
    gram = np.zeros((DIMENSION + len(NAMES),) * 2)
    moment = np.zeros(DIMENSION + len(NAMES))
    for shown in (prompts, stems):
        inputs = _inputs(blank, shown)
        for name in np.unique(prompts.group):
            at = prompts.group == name
            w = weight[at][:, None]
            x = inputs[at] - inputs[at].mean(axis=0)
            y = target[at] - target[at].mean()
            gram += x.T @ (x * w) / 2.0
            moment += (x * w).T @ y / 2.0
    solved = np.linalg.solve(gram + RIDGE * np.eye(len(moment)), moment).astype(np.float32)
    vector_weights = solved[:DIMENSION] * np.float32(VECTOR_SCALE * np.sqrt(DIMENSION))
    return Head(vector_weights, solved[DIMENSION:], mean, scale, blank.calibration)


def _inputs(head: Head, prompts: Prompts) -> Floats:
    used = np.array([name not in _UNUSED for name in NAMES], np.float32)
    standard = head.standardise(prompts.features) * used
    return np.hstack([prompts.vectors * (VECTOR_SCALE * np.sqrt(DIMENSION)), standard]).astype(np.float64)


def out_of_source(data: TrainingSet, folds: int = 5) -> Floats:
    """Difficulty of every row (n,) by a fit that saw neither its source nor, for a seed, its fold."""
    group = data.prompts.group
    fold = np.where(group == SEED_GROUP, np.arange(len(group)) % folds, -1)
    parts = [group == name for name in data.groups] + [fold == k for k in range(folds) if (fold == k).any()]
    predicted = np.full(len(group), np.nan)
    for part in parts:
        head = fit_direction(data, ~part)
        predicted[part] = head.difficulty(data.prompts.vectors[part], data.prompts.features[part])
    return predicted
