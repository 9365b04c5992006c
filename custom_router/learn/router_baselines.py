"""What a router must beat: ways to say which prompts need the frontier, from nothing to hindsight."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from custom_router.encoder.base import Vectors
from custom_router.learn.outcomes import Encode, Outcomes
from custom_router.learn.seed_prompts import EASY, HARD
from custom_router.litellm_adapter.complexity import complexity_scores

Floats = npt.NDArray[np.float64]

ANCHOR_THRESHOLD = 4.0
"""On the 0 to 10 scale that anchor routers use, the complexity from which they send a prompt up."""
_NEAREST = 3


def needs(outcomes: Outcomes, head: Floats, vectors: Vectors, encode: Encode) -> dict[str, Floats]:
    """Need of the frontier (n,) by each way, higher for more.

    `head` (n,) is the difficulty by the head, `vectors` (n, d) are the sentence encoder's, `encode` gives those of the
    anchors. The last two look at the outcomes themselves: nothing can do better, and nothing can know them.
    """
    rng = np.random.default_rng(0)
    gain = outcomes.score[:, 2] - outcomes.score[:, 0]
    within = head.copy()
    for at in _sources(outcomes):
        within[at] = rng.permutation(head[at])
    hindsight = np.zeros(len(outcomes))
    for at in _sources(outcomes):
        hindsight[at] = gain[at].mean()
    return {
        "head": head,
        "random": rng.random(len(outcomes)),
        "head, shuffled": rng.permutation(head),
        "head, shuffled within each source": within,
        "length": np.array([len(text) for text in outcomes.text], np.float64),
        "anchor similarity": anchor_complexity(vectors, encode),
        "LiteLLM's complexity scorer": complexity_scores(outcomes.text),
        "the source's own gap, in hindsight": hindsight,
        "oracle": gain,
    }


def anchor_complexity(vectors: Vectors, encode: Encode) -> Floats:
    """0 to 10 (n,) for unit vectors (n, d): how much nearer a prompt is to hard anchors than to easy ones.

    The anchors are the authors' own easy and hard seeds, the mean of the three nearest counts, and 5 is halfway: the
    published sets could not be had, so this is the method, not their prompts.
    """
    easy, hard = (np.sort(vectors @ encode(texts).T, axis=1)[:, -_NEAREST:].mean(axis=1) for texts in (EASY, HARD))
    return np.asarray(np.clip(5.0 + 5.0 * (hard - easy), 0.0, 10.0), np.float64)


def _sources(outcomes: Outcomes) -> Iterable[npt.NDArray[np.intp]]:
    return (np.flatnonzero(outcomes.group == name) for name in np.unique(outcomes.group))
