"""What is added up of requests, in one place for every report: the whole, a team, a day, a bill's line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_TIER = "count(*) FILTER (NOT hit AND tier = '{}')"
_USD = "coalesce(fsum({}), 0.0)"

SUMS: Mapping[str, str] = {
    "requests": "count(*)",
    "errors": "count(*) FILTER (status = 'error')",
    "unknown": "count(*) FILTER (status NOT IN ('ok', 'error'))",
    "cost": _USD.format("cost"),
    "first_attempt": _USD.format("first_attempt"),
    "escalation": _USD.format("escalation"),
    "overhead": _USD.format("overhead"),
    "self_check": _USD.format("self_check"),
    "vllm": _USD.format("vllm"),
    "embedding": _USD.format("embedding"),
    "baseline": _USD.format("baseline"),
    "saved": _USD.format("saved"),
    "hits": "count(*) FILTER (hit)",
    "escalated": "count(*) FILTER (escalated)",
    "unpriced": "count(*) FILTER (status = 'ok' AND cost IS NULL)",
    "input_tokens": "coalesce(sum(input_tokens), 0)::BIGINT",
    "output_tokens": "coalesce(sum(output_tokens), 0)::BIGINT",
    "simple": _TIER.format("simple"),
    "medium": _TIER.format("medium"),
    "frontier": _TIER.format("frontier"),
}
"""Field of `Sums` to the aggregate over the table `requests` that makes it. Sums of dollars are Kahan's: the order in
which threads add does not show."""

SELECT = ", ".join(f"{aggregate} AS {name}" for name, aggregate in SUMS.items())


@dataclass(slots=True)
class Sums:
    """Requests added up. Dollars; `saved` is against the frontier and net of everything that the router spent itself:
    `overhead`, which is deciding and judging (`self_check`, `vllm` and `embedding`), and `escalation`, the answers that
    replaced others.

    `errors` failed, `unknown` ones never ended. `unpriced` requests were answered, but LiteLLM knew no price: their
    cost is missing from the sums. The tiers count whose answer was delivered; a hit is nobody's.
    """

    requests: int = 0
    errors: int = 0
    unknown: int = 0
    cost: float = 0.0
    first_attempt: float = 0.0
    escalation: float = 0.0
    overhead: float = 0.0
    self_check: float = 0.0
    vllm: float = 0.0
    embedding: float = 0.0
    baseline: float = 0.0
    saved: float = 0.0
    hits: int = 0
    escalated: int = 0
    unpriced: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    simple: int = 0
    medium: int = 0
    frontier: int = 0

    @property
    def failed(self) -> int:
        """Requests that did not end well."""
        return self.errors + self.unknown

    @property
    def tiers(self) -> dict[str, int]:
        """Answers delivered by tier."""
        return {"simple": self.simple, "medium": self.medium, "frontier": self.frontier}

    @property
    def hit_rate(self) -> float:
        """Share of requests answered from the cache."""
        return self.hits / self.requests if self.requests else 0.0

    @property
    def escalation_rate(self) -> float:
        """Share of requests whose first answer was replaced."""
        return self.escalated / self.requests if self.requests else 0.0


def added(parts: Iterable[Sums]) -> Sums:
    """Sums of sums."""
    whole = Sums()
    for part in parts:
        for name in SUMS:
            setattr(whole, name, getattr(whole, name) + getattr(part, name))
    return whole
