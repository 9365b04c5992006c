"""Whether recent traffic still looks like the traffic before it: scores, domains, tiers."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from custom_router.records.record import DecisionRecord

WINDOW = 500
"""Requests in the recent window, and in the reference where it is the traffic after start. Two such windows of the same
traffic have an index of about 2 · (bins - 1) / 500: .036 with ten bins."""
BINS = 10
_LEAST = 1e-3


def psi(reference: Mapping[str, float], recent: Mapping[str, float]) -> float:
    """Population stability index of two distributions given as counts or shares by name, 0 for equal ones. Shares
    below .001 count as .001. By convention .1 is a shift worth a look and .25 a large one."""
    expected_sum, seen_sum = sum(reference.values()), sum(recent.values())
    if not expected_sum or not seen_sum:
        return 0.0
    total = 0.0
    for name in reference.keys() | recent.keys():
        expected = max(reference.get(name, 0) / expected_sum, _LEAST)
        seen = max(recent.get(name, 0) / seen_sum, _LEAST)
        total += (seen - expected) * math.log(seen / expected)
    return total


def score_bin(p: float) -> str:
    """The tenth of 0..1 that a probability is in, by its lower edge."""
    return f"{min(int(p * BINS), BINS - 1) / BINS:.1f}"


@dataclass(slots=True)
class Watched:
    """One distribution: its reference, and the latest values. Until the reference is full, it is what is filled."""

    reference: Counter[str] = field(default_factory=Counter)
    recent: deque[str] = field(default_factory=lambda: deque(maxlen=WINDOW))
    shipped: bool = False
    """Whether the reference came with the classifier's artifact."""

    def add(self, value: str) -> None:
        """Note the next value."""
        if not self.shipped and self.reference.total() < WINDOW:
            self.reference[value] += 1
        else:
            self.recent.append(value)

    def index(self) -> float | None:
        """The index of the recent window, None until that is full."""
        return psi(self.reference, Counter(tuple(self.recent))) if len(self.recent) == WINDOW else None

    def report(self) -> dict[str, Any]:
        """In plain types, for the console."""
        return {
            "psi": self.index(),
            "reference": dict(sorted(self.reference.items())),
            "recent": dict(sorted(Counter(tuple(self.recent)).items())),
            "reference_from": "artifact" if self.shipped else "first_requests",
            "window": WINDOW,
        }


class Drift:
    """What one process has seen. Scores are compared within one classifier: with another, all begins anew."""

    def __init__(self) -> None:
        self._source: str | None = None
        self.watched: dict[str, Watched] = {}
        self._expected: tuple[float, ...] = ()
        self._begin()

    def _begin(self) -> None:
        self.watched = {name: Watched() for name in ("p_ok_simple", "domain", "tier")}
        if self._expected:
            shares = {f"{i / BINS:.1f}": share for i, share in enumerate(self._expected)}
            scores = self.watched["p_ok_simple"]
            scores.reference = Counter({name: round(share * 1_000_000) for name, share in shares.items()})
            scores.shipped = True

    def expect(self, shares: Sequence[float] | None) -> None:
        """The shares of p_ok.simple in tenths, as the classifier's artifact tells them of the team's own traffic; None
        where it does not. Begins anew where they are other ones."""
        given = tuple(shares) if shares is not None and len(shares) == BINS else ()
        if given != self._expected:
            self._expected = given
            self._begin()

    def add(self, record: DecisionRecord) -> None:
        """Note a finished request."""
        scores = record.scores
        if scores.p_ok:
            if scores.source != self._source:
                self._source = scores.source
                self._begin()
            self.watched["p_ok_simple"].add(score_bin(scores.p_ok.get("simple", 0.0)))
        self.watched["domain"].add(record.domain.name or "none")
        self.watched["tier"].add(record.decided_tier)

    def indexes(self) -> dict[str, float]:
        """The index of each distribution of which enough has been seen."""
        found = {name: watched.index() for name, watched in self.watched.items()}
        return {name: index for name, index in found.items() if index is not None}

    def report(self) -> dict[str, Any]:
        """For `/router/api/classifier`: each distribution with its index, null until enough has been seen."""
        return {name: watched.report() for name, watched in self.watched.items()}
