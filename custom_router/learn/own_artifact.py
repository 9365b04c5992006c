"""A candidate head from a team's own traffic, with what it was learned from and how it compares inside."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from custom_router.classify.embedding import FORMAT, EmbeddingClassifier
from custom_router.classify.features import NAMES
from custom_router.classify.typicality import Typicality
from custom_router.learn.head_training import Prompts
from custom_router.learn.own_comparison import Comparison, compare
from custom_router.learn.own_rows import OwnRows
from custom_router.learn.own_training import BLOCKS, Fitted, fit_own
from custom_router.learn.typicality_training import fit_typicality
from custom_router.policy import Policy
from custom_router.request import ENCODED_CHARS

HELD_OUT = 0.2
"""Share of the rows, the latest, that the candidate is compared on and never learns from."""
_ROWS_FOR_TYPICALITY = 2_000


@dataclass(frozen=True)
class Candidate:
    """A head that may replace the incumbent, and how the two compare."""

    classifier: EmbeddingClassifier
    comparison: Comparison


def make_candidate(rows: OwnRows, incumbent: EmbeddingClassifier, policy: Policy) -> Candidate:
    """Learn from the earlier rows and compare on the later ones. What is compared is what would serve: the candidate is
    not fitted again on all rows. Raises `TooFew`."""
    learned, later = rows.split(HELD_OUT)
    fitted = fit_own(learned, incumbent.head)
    found = compare(fitted, incumbent, learned, later, policy)
    typicality = _typicality(learned, incumbent)
    metadata = _metadata(fitted, learned, later, incumbent, found)
    return Candidate(EmbeddingClassifier(fitted.head, typicality, metadata, incumbent.intents), found)


def _typicality(rows: OwnRows, incumbent: EmbeddingClassifier) -> Typicality:
    """What the team's own prompts look like, each block of time judged by the others; too few say too little."""
    if len(rows) < _ROWS_FOR_TYPICALITY:
        return incumbent.typicality
    prompts = rows.prompts
    block = (np.arange(len(rows)) * BLOCKS // len(rows)).astype(np.str_)
    return fit_typicality(Prompts(prompts.views, prompts.vectors, prompts.features, block))[0]


def _metadata(
    fitted: Fitted, learned: OwnRows, later: OwnRows, incumbent: EmbeddingClassifier, found: Comparison
) -> dict[str, Any]:
    both = np.concatenate([learned.prompts.vectors, later.prompts.vectors])
    features = np.concatenate([learned.prompts.features, later.prompts.features])
    p_simple = fitted.head.p_ok(fitted.head.difficulty(both, features))[:, 0]
    digest = hashlib.sha256(fitted.head.vector_weights.tobytes() + fitted.head.calibration.tobytes())
    return {
        "version": f"own-{digest.hexdigest()[:8]}",
        "format": FORMAT,
        "encoder": incumbent.metadata["encoder"],
        "encoded_chars": ENCODED_CHARS,
        "features": list(NAMES),
        "target": "whether the cheap tier's answer was good enough, by the outcomes given",
        "sources": {
            name: {"licence": "the team's own", "rows": n}
            for name, n in Counter(learned.prompts.group.tolist()).items()
        },
        "built_on": incumbent.version,
        "ridge": fitted.ridge,
        "log_loss_by_ridge": {str(ridge): loss for ridge, loss in fitted.log_loss.items()},
        "labels": {
            tier: {"rows": int(known.sum()), "good": float(learned.labels[known, at].mean()) if known.any() else None}
            for at, tier in enumerate(("simple", "medium"))
            for known in [~np.isnan(learned.labels[:, at])]
        },
        # What `drift` compares the traffic to come with.
        "p_ok_simple_tenths": (np.histogram(p_simple, bins=10, range=(0.0, 1.0))[0] / len(p_simple)).tolist(),
        "learned_from": [float(learned.when[0]), float(learned.when[-1])],
        "compared_on": [float(later.when[0]), float(later.when[-1])],
        "comparison": found.as_dict(),
    }
