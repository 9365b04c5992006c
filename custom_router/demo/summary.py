"""What the demo's traffic cost and saved, from its decision records. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from custom_router.demo.traffic import Answer


@dataclass(frozen=True, slots=True)
class Summary:
    """Totals of one run. Costs in US dollars; `failover_ms` is None when no request met the dead provider."""

    requests: int
    failed: int
    tiers: dict[str, int]
    cost: float
    frontier_cost: float
    saved: float
    failover_ms: float | None

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


def summarise(answers: Sequence[Answer], records: Iterable[Mapping[str, Any]]) -> Summary:
    """Put answers and records together."""
    costs = [record["cost"] for record in records]
    total = sum(cost["total"] or 0.0 for cost in costs)
    baseline = sum(cost["frontier_baseline"] or 0.0 for cost in costs)
    return Summary(
        requests=sum(answer.prompt.requests for answer in answers),
        failed=sum(answer.error is not None for answer in answers),
        tiers=dict(sorted(Counter(a.router("tier") for a in answers if not a.error).items())),
        cost=total,
        frontier_cost=baseline,
        saved=sum(cost["saved"] or 0.0 for cost in costs),
        failover_ms=failover_ms(answers),
    )


def failover_ms(answers: Sequence[Answer]) -> float | None:
    """Extra time of the first request that met the dead provider, over the median of its tier's other plain ones."""
    met = next((a for a in answers if "provider_fallback" in a.router("cause")), None)
    if met is None:
        return None
    others = [
        a.elapsed_ms
        for a in answers
        if a is not met and not a.error and a.router("tier") == met.router("tier") and a.prompt.form == met.prompt.form
    ]
    return max(0.0, met.elapsed_ms - median(others)) if others else met.elapsed_ms
