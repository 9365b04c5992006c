"""Candidate against incumbent on traffic that neither was fitted on here: later in time, and sources left out.

A candidate that is worse on any slice beyond noise is not promoted: an average hides the tail.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from custom_router.classify.embedding import EmbeddingClassifier, Head
from custom_router.learn.measures import Estimate, apgr, ece
from custom_router.learn.own_rows import Mask, OwnRows
from custom_router.learn.own_training import Fitted, log_loss, without_source
from custom_router.learn.tail import tail_slices
from custom_router.policy import Policy

Floats = npt.NDArray[np.float64]

LEAST_ROWS = 50
"""A slice of fewer rows is not compared."""


@dataclass(frozen=True)
class SliceResult:
    """Mean log-loss (nats) of one slice's rows, and the candidate's minus the incumbent's. Its interval is wide enough
    that in 95 of 100 comparisons of equals no slice at all would lie outside (Bonferroni)."""

    name: str
    rows: int
    incumbent: float
    candidate: float
    difference: Estimate

    @property
    def worse(self) -> bool:
        """Whether the candidate is worse beyond noise."""
        return self.difference.low > 0.0


@dataclass(frozen=True)
class Comparison:
    """All slices, the two ranking and calibration figures on the held-out time, and the incumbent's version.

    `apgr` (simple against frontier, NaN where no frontier answer was scored) and `ece` (of p_ok simple) are pairs:
    incumbent, candidate.
    """

    incumbent: str
    slices: tuple[SliceResult, ...]
    apgr: tuple[float, float]
    ece: tuple[float, float]

    @property
    def worse(self) -> tuple[str, ...]:
        """The slices on which the candidate is worse beyond noise."""
        return tuple(one.name for one in self.slices if one.worse)

    @property
    def better(self) -> bool:
        """Whether the candidate is better on the held-out time beyond noise."""
        return self.slices[0].difference.high < 0.0

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types, for the artifact's metadata."""
        return {**asdict(self), "worse": list(self.worse), "better": self.better}


def compare(
    fitted: Fitted, incumbent: EmbeddingClassifier, learned: OwnRows, later: OwnRows, policy: Policy
) -> Comparison:
    """Compare on `later` rows, whole and by slice, and on each source of `learned` left out of the recipe."""
    old, new = _p(incumbent.head, later), _p(fitted.head, later)
    losses = log_loss(old, later.labels), log_loss(new, later.labels)
    seen = [("held-out time", *losses)]
    for name, at in _slices(later, incumbent, policy):
        if LEAST_ROWS <= at.sum() < len(later):
            seen.append((name, losses[0][at], losses[1][at]))
    # A source that the incumbent was fitted on is no test of a candidate that is kept from it.
    sources = np.unique(learned.prompts.group).tolist()
    unknown = [name for name in sources if name not in incumbent.metadata["sources"]]
    for name in unknown if len(sources) > 1 else ():
        head, out = without_source(learned, incumbent.head, name, fitted.ridge)
        if out.sum() >= LEAST_ROWS:
            rows = learned.where(out)
            before, after = (log_loss(_p(one, rows), rows.labels) for one in (incumbent.head, head))
            seen.append((f"source left out: {name}", before, after))
    width = NormalDist().inv_cdf(1.0 - 0.025 / len(seen))
    known = ~np.isnan(later.labels[:, 0])
    return Comparison(
        incumbent.version,
        tuple(_measure(name, before, after, width) for name, before, after in seen),
        (_apgr(incumbent.head, later), _apgr(fitted.head, later)),
        (ece(old[known, 0], later.labels[known, 0]), ece(new[known, 0], later.labels[known, 0])),
    )


def _slices(rows: OwnRows, incumbent: EmbeddingClassifier, policy: Policy) -> Iterator[tuple[str, Mask]]:
    """Sources, intents, and the tail: rare, high-stakes and hard, told from the prompts alone, never from labels."""
    prompts = rows.prompts
    for source in np.unique(prompts.group).tolist():
        yield f"source: {source}", prompts.group == source
    views = list(zip(prompts.views, prompts.vectors, prompts.features, strict=True))
    if incumbent.intents is not None:
        found = np.array([incumbent.intents.recognise(*view) or "unclear" for view in views])
        for intent in np.unique(found).tolist():
            yield f"intent: {intent}", found == intent
    for name, at in tail_slices(prompts, incumbent.typicality, policy):
        yield f"tail: {name}", at


def _measure(name: str, old: Floats, new: Floats, width: float) -> SliceResult:
    change = new - old
    mean, error = float(change.mean()), width * float(change.std(ddof=1)) / len(change) ** 0.5
    difference = Estimate(mean, mean - error, mean + error)
    return SliceResult(name, len(change), float(old.mean()), float(new.mean()), difference)


def _apgr(head: Head, rows: OwnRows) -> float:
    tried = ~np.isnan(rows.scores[:, 0]) & ~np.isnan(rows.scores[:, 2])
    if not tried.any():
        return float("nan")
    need = head.difficulty(rows.prompts.vectors, rows.prompts.features).astype(np.float64)
    return apgr(need[tried], rows.scores[tried, 0], rows.scores[tried, 2])


def _p(head: Head, rows: OwnRows) -> Floats:
    return head.p_ok(head.difficulty(rows.prompts.vectors, rows.prompts.features)).astype(np.float64)
