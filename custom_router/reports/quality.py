"""How good answers were, where somebody said so, and whether the router's own probabilities can be believed."""

from __future__ import annotations

from typing import Any

from custom_router.reports.intervals import wilson
from custom_router.reports.shape import Bin, Labels, Quality
from custom_router.reports.store import Store
from custom_router.tiers import TIERS

_LABELS = "count(score), avg(score), count(*) FILTER (score > 0)"
BINS = 10


def quality(store: Store) -> Quality:
    """Feedback by the tier whose answer was delivered, and on hits."""
    found = {
        tier: _labels(counts)
        for tier, *counts in store.rows(f"SELECT tier, {_LABELS} FROM requests WHERE NOT hit GROUP BY tier")
    }
    every = _labels(store.row(f"SELECT {_LABELS} FROM requests"))
    return Quality(
        every.labelled,
        every.mean,
        every.good,
        every.good_share,
        every.interval,
        {tier.value: found.get(tier.value, _labels((0, None, 0))) for tier in TIERS},
        _labels(store.row(f"SELECT {_LABELS} FROM requests WHERE hit")),
    )


def gate_reliability(store: Store) -> list[Bin]:
    """The gate's confidence in answers against what people thought of them. An answer that was replaced has nobody's
    opinion."""
    return _bins(store, "confidence", "verdict <> 'bypass' AND NOT hit", "NOT escalated")


def score_reliability(store: Store) -> list[Bin]:
    """The classifier's probability that the simple tier's answer is good enough. Only that tier's answers tell."""
    return _bins(store, "p_ok_simple", "NOT hit", "tier = 'simple' AND NOT escalated")


def _bins(store: Store, column: str, counted: str, tells: str) -> list[Bin]:
    rows = store.rows(
        f"SELECT least(floor({column} * {BINS}), {BINS - 1})::INTEGER AS bin, count(*), avg({column}), "
        f"count(score) FILTER ({tells}), count(*) FILTER (score > 0 AND {tells}) "
        f"FROM requests WHERE {column} BETWEEN 0 AND 1 AND {counted} GROUP BY bin"
    )
    found = {number: rest for number, *rest in rows}
    made = []
    for number in range(BINS):
        n, mean, labelled, good = found.get(number, (0, None, 0, 0))
        share = good / labelled if labelled else None
        made.append(Bin(number / BINS, (number + 1) / BINS, n, mean, labelled, share, wilson(good, labelled)))
    return made


def _labels(counts: tuple[Any, ...] | list[Any]) -> Labels:
    labelled, mean, good = counts
    return Labels(labelled, mean, good, good / labelled if labelled else None, wilson(good, labelled))
