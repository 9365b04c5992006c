"""What the demo's traffic cost and saved, from its decision records. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from custom_router.causes import Cause
from custom_router.demo.traffic import Answer


@dataclass(frozen=True, slots=True)
class Summary:
    """Totals of one run. Costs in US dollars. `failover_ms` is how long the first request that met the dead provider
    took to be answered, all in all; None when none met it."""

    requests: int
    failed: int
    tiers: dict[str, int]
    cost: float
    frontier_cost: float
    saved: float
    failover_ms: float | None
    escalated: int
    """Cheap answers that the gate replaced."""
    cached: int
    """Answers given from the cache."""

    def as_json(self) -> dict[str, Any]:
        """The keys that scripts read, in the order they are documented."""
        return {
            "requests": self.requests,
            "failed": self.failed,
            "tiers": self.tiers,
            "cost": round(self.cost, 6),
            "frontier_cost": round(self.frontier_cost, 6),
            "saved": round(self.saved, 6),
            "failover_ms": None if self.failover_ms is None else round(self.failover_ms, 1),
        }


def summarise(answers: Sequence[Answer], records: Sequence[Mapping[str, Any]]) -> Summary:
    """Put answers and records together: failures as the application saw them, everything else as recorded."""
    costs = [record["cost"] for record in records]
    return Summary(
        requests=sum(answer.prompt.requests for answer in answers),
        failed=sum(answer.error is not None for answer in answers),
        tiers=dict(sorted(Counter(r["tier"] for r in records if r["outcome"]["status"] == "ok").items())),
        cost=sum(cost["total"] or 0.0 for cost in costs),
        frontier_cost=sum(cost["frontier_baseline"] or 0.0 for cost in costs),
        saved=sum(cost["saved"] or 0.0 for cost in costs),
        escalated=sum(record["gate"]["escalated_to"] is not None for record in records),
        cached=sum(record["cache"]["status"] == "hit" for record in records),
        failover_ms=next((a.elapsed_ms for a in answers if Cause.PROVIDER_FALLBACK in a.router("cause")), None),
    )


def typical_ms(answers: Sequence[Answer], tier: str) -> float | None:
    """Median time of one tier's plain requests that no failover slowed down."""
    plain = [
        a.elapsed_ms
        for a in answers
        if a.router("tier") == tier and a.prompt.form == "plain" and Cause.PROVIDER_FALLBACK not in a.router("cause")
    ]
    return median(plain) if plain else None
