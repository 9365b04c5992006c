"""What a request cost, and what the frontier would have cost for the same tokens. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from custom_router.records.record import CostFields, TokenFields


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per token."""

    input: float
    output: float

    def of(self, tokens: TokenFields) -> float:
        """Dollars for these tokens."""
        return tokens.input * self.input + tokens.output * self.output


def cost_of(total: float | None, tokens: TokenFields, frontier: Price | None, classifier: float = 0.0) -> CostFields:
    """Cost of a request answered once. `total` is what LiteLLM billed, None when it knows no price.

    Without any tokens nothing is known of what it would have cost elsewhere, and nothing is claimed to be saved.
    """
    known = tokens.input + tokens.output > 0
    baseline = frontier.of(tokens) if frontier is not None and known else None
    saved = baseline - total - classifier if baseline is not None and total is not None else None
    return CostFields(total=total, first_attempt=total, classifier=classifier, frontier_baseline=baseline, saved=saved)
