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


def cost_of(
    first_attempt: float | None,
    tokens: TokenFields,
    frontier: Price | None,
    *,
    escalation: float = 0.0,
    classifier: float = 0.0,
) -> CostFields:
    """Cost of a request. `first_attempt` is what LiteLLM billed for the answer tried first, None when it knows no
    price; `tokens` are those of the answer delivered.

    Without any tokens nothing is known of what it would have cost elsewhere, and nothing is claimed to be saved.
    """
    total = None if first_attempt is None else first_attempt + escalation + classifier
    baseline = frontier.of(tokens) if frontier is not None and tokens.input + tokens.output > 0 else None
    saved = baseline - total if baseline is not None and total is not None else None
    return CostFields(total, first_attempt, escalation, classifier, baseline, saved)
