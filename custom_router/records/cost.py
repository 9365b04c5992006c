"""What a request cost, and what it would have cost elsewhere. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from custom_router.records.record import CostFields, TokenFields
from custom_router.tiers import Tier


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per token, for comparing tiers. What a request cost is priced in full, by LiteLLM's calculator."""

    input: float
    output: float

    def of(self, tokens: TokenFields) -> float:
        """Dollars for these tokens."""
        return tokens.input * self.input + tokens.output * self.output


def cost_of(
    first_attempt: float | None,
    alternatives: Mapping[str, float],
    *,
    escalation: float = 0.0,
    self_check: float = 0.0,
    embedding: float = 0.0,
    priced: bool = True,
) -> CostFields:
    """Cost of a request. `first_attempt` is what LiteLLM billed for the answer tried first, None when it knows no
    price. `priced` says whether it knew one for all that `escalation` and `self_check` were paid for. `alternatives` is
    what the tokens of the answer delivered cost at each tier, empty where nothing is known of them: then nothing is
    claimed to be saved.
    """
    classifier = self_check + embedding
    total = first_attempt + escalation + classifier if first_attempt is not None and priced else None
    baseline = alternatives.get(Tier.FRONTIER.value)
    saved = baseline - total if baseline is not None and total is not None else None
    return CostFields(
        total=total,
        first_attempt=first_attempt,
        escalation=escalation,
        classifier=classifier,
        self_check=self_check,
        embedding=embedding,
        alternatives=dict(alternatives),
        frontier_baseline=baseline,
        saved=saved,
    )


def charge_vllm(cost: CostFields, dollars: float) -> None:
    """Add what the vLLM classifier's answer cost, which may come after everything else."""
    cost.vllm += dollars
    cost.classifier += dollars
    if cost.total is not None:
        cost.total += dollars
    if cost.saved is not None:
        cost.saved -= dollars


def processor_cost(latency_ms: Mapping[str, float], usd_per_hour: float) -> float:
    """Dollars of the proxy's own processor for deciding: all the time that the router added before the call, but for
    waiting for the vLLM model, as if it had kept a core busy. Waiting for the encoder counts too: rather too much than
    too little."""
    busy_ms = latency_ms.get("overhead", 0.0) - latency_ms.get("vllm", 0.0)
    return max(busy_ms, 0.0) / 3_600_000 * usd_per_hour
