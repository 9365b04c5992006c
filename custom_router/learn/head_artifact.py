"""Trains the shipped head from outcome data and writes what was measured into its metadata."""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custom_router.classify.embedding import FORMAT, EmbeddingClassifier
from custom_router.classify.features import NAMES
from custom_router.learn import head_training as training
from custom_router.learn.head_calibration import (
    BY_ROW,
    SEED_SHARE,
    Shrinkage,
    calibrate,
    calibrate_elsewhere,
    choose_shrinkage,
    group_weights,
)
from custom_router.learn.head_evaluation import by_source, summary
from custom_router.learn.head_training import TrainingSet, fit_direction
from custom_router.learn.measures import reliability
from custom_router.learn.outcomes import LICENCES, Encode, Outcomes
from custom_router.learn.seed_prompts import LABELS, SEEDS
from custom_router.learn.tier_mix import PROFILES
from custom_router.learn.typicality_training import fit_typicality
from custom_router.request import ENCODED_CHARS

Floats = npt.NDArray[np.float64]

VERSION = "head-4"
OOD_LIMIT = 0.99


@dataclass(frozen=True)
class Trained:
    """The classifier, and what it said of every training row while that row's source was left out.

    `difficulty` and `ood` (n,), `p_ok` (n, 2): direction and calibration both fitted on other sources only.
    """

    classifier: EmbeddingClassifier
    data: TrainingSet
    difficulty: Floats
    p_ok: Floats
    ood: Floats


def train(outcomes: Outcomes, encode: Encode, encoder_version: str) -> Trained:
    """Fit direction, calibration and typicality on the trainable rows of `outcomes` and the seeds."""
    data = training.training_set(outcomes, encode)
    group = data.prompts.group
    difficulty = training.out_of_source(data)
    direction = fit_direction(data, np.ones(len(group), bool))
    shrinkage = choose_shrinkage(difficulty, data.labels, group)
    fitted = calibrate(difficulty, data.labels, group_weights(group, size_power=BY_ROW), shrinkage.factor)
    head = dataclasses.replace(direction, calibration=fitted.astype(np.float32))
    p_ok = np.empty((len(group), 2))
    for name, elsewhere in calibrate_elsewhere(difficulty, data.labels, group).items():
        other = dataclasses.replace(direction, calibration=elsewhere.astype(np.float32))
        p_ok[group == name] = other.p_ok(difficulty[group == name].astype(np.float32))
    typicality, ood = fit_typicality(data.prompts)
    trained = Trained(
        EmbeddingClassifier(head, typicality, {"version": VERSION}), data, difficulty, p_ok, ood.astype(np.float64)
    )
    metadata = _metadata(trained, shrinkage, outcomes.where(outcomes.trainable), encoder_version)
    return dataclasses.replace(trained, classifier=EmbeddingClassifier(head, typicality, metadata))


def _metadata(trained: Trained, shrinkage: Shrinkage, rows: Outcomes, encoder_version: str) -> dict[str, object]:
    n, group = len(rows), trained.data.prompts.group
    label = rows.suffices(0)
    raw = np.clip(1.0 - trained.difficulty[:n] - trained.data.difficulty[:n].mean(), 0.0, 1.0)
    results = by_source(rows, trained.difficulty[:n], trained.p_ok[:n, 0])
    return {
        "version": VERSION,
        "format": FORMAT,
        "encoder": encoder_version,
        "encoded_chars": ENCODED_CHARS,
        "features": list(NAMES),
        "target": "mean failure of the source's weak models, centred within each source",
        "sources": {
            source: {"licence": licence, "rows": sum(g.split(":")[0] == source for g in rows.group.tolist())}
            for source, licence in LICENCES.items()
        },
        "seeds": {
            "note": "written and labelled by the authors, not measured: everyday prompts that exam data lacks",
            "share_of_weight": SEED_SHARE,
            "labels_simple_medium": LABELS,
            "counts": {kind: len(texts) for kind, texts in SEEDS.items()},
        },
        "ridge": training.RIDGE,
        "vector_scale": training.VECTOR_SCALE,
        "leave_one_source_out": {
            "summary": summary(results),
            "sources": {
                r.name: {"rows": r.rows, "apgr": r.apgr.value, "low": r.apgr.low, "high": r.apgr.high, "auroc": r.auroc}
                | {"ece": r.ece, "counted": r.countable}
                for r in results
            },
        },
        "calibration": {
            "note": "slope shrunk by the factor of least log-loss on sources left out, so p_ok spans less than a slope "
            "fitted on known sources would; a source's own base rate stays unknown until its traffic is labelled",
            "factor": shrinkage.factor,
            "log_loss_simple_medium_by_factor": {str(f): list(loss) for f, loss in shrinkage.log_loss.items()},
        },
        "reliability_simple": {
            "before": [dataclasses.asdict(b) for b in reliability(raw, label)],
            "after_out_of_source": [dataclasses.asdict(b) for b in reliability(trained.p_ok[:n, 0], label)],
        },
        "out_of_distribution": {
            "limit": OOD_LIMIT,
            "flagged_of_left_out_sources": {
                name: float((trained.ood[group == name] >= OOD_LIMIT).mean()) for name in Counter(group.tolist())
            },
        },
        "thresholds_simple_medium": {name: list(pair) for name, pair in PROFILES.items()},
    }
