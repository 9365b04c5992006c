"""How far an escalation may go, and whether it is worth its price. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from custom_router.causes import Cause
from custom_router.confidence.assess import Assessment
from custom_router.confidence.base import Answer
from custom_router.confidence.gate import straight_up, worth_escalating
from custom_router.decision import Capability
from custom_router.lifecycle import GateTicket
from custom_router.policy.schema import PolicyDocument
from custom_router.records.cost import Price
from custom_router.records.record import TokenFields
from custom_router.request import RequestView
from custom_router.tiers import TIERS, Tier

_TYPICAL = TokenFields(300, 100)
"""What tiers' prices are compared at: three tokens in for one out."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What limits an escalation: prices and abilities by tier, and the dollars that the caller may still spend on this
    request, the answers that it has had included (None: no limit)."""

    prices: Mapping[Tier, Price] = field(default_factory=dict)
    capabilities: Mapping[Tier, Capability] = field(default_factory=dict)
    remaining_usd: float | None = None


def reachable(ticket: GateTicket, around: Surroundings) -> list[Tier]:
    """Tiers that the caller may have and that can take the request, cheapest first."""
    view, cap = ticket.view, ticket.caller.max_tier
    return [t for t in TIERS if t.rank <= cap.rank and _can_take(view, around.capabilities.get(t, Capability()))]


def _can_take(view: RequestView, able: Capability) -> bool:
    fits = able.max_input_tokens is None or view.input_tokens + (view.max_output_tokens or 0) <= able.max_input_tokens
    return fits and (able.vision or not view.images)


def next_tier(ticket: GateTicket, tier: Tier, around: Surroundings) -> Tier | None:
    """The tier to ask after `tier`; None where the caller may have no higher one."""
    higher = [t for t in reachable(ticket, around) if t.rank > tier.rank]
    if not higher:
        return None
    return higher[0] if ticket.policy.document.gate.escalate_to == "next" else higher[-1]


def hopeless(
    rate_of: Callable[[Tier], float | None], policy: PolicyDocument, prices: Mapping[Tier, Price]
) -> frozenset[Tier]:
    """Tiers not worth trying for now: trying them and escalating at their recent rate costs more than going up at once.

    `rate_of` gives the share of a tier's recent answers that were escalated, None while too few are known.
    """
    found = set()
    for tier in TIERS[:-1]:
        higher = TIERS[tier.rank + 1] if policy.gate.escalate_to == "next" else Tier.FRONTIER
        rate, low, high = rate_of(tier), prices.get(tier), prices.get(higher)
        if rate is None or low is None or high is None:
            continue
        if straight_up(rate, low.of(_TYPICAL), high.of(_TYPICAL)):
            found.add(tier)
    return frozenset(found)


def refusal(
    ticket: GateTicket, answer: Answer | None, judged: Assessment, target: Tier | None, around: Surroundings
) -> Cause | None:
    """Why an answer that should be escalated will not be; None where it may be.

    `answer` is None where a stream broke, and then there is nothing else to deliver.
    """
    price = around.prices.get(target) if target is not None else None
    if price is None:
        return None
    tokens = expected_tokens(ticket.view, answer)
    expected = price.of(tokens)
    had = sum(around.prices[t].of(tokens) for t in _asked_before(ticket, target, around) if t in around.prices)
    if around.remaining_usd is not None and had + expected > around.remaining_usd:
        return Cause.GATE_OVER_BUDGET
    value = ticket.policy.document.gate.answer_value_usd
    if value is not None and not judged.failures and judged.confidence is not None:
        return None if worth_escalating(judged.confidence, expected, value) else Cause.GATE_NOT_WORTH
    return None


def _asked_before(ticket: GateTicket, target: Tier | None, around: Surroundings) -> list[Tier]:
    first = ticket.decision.served
    if target is None or ticket.policy.document.gate.escalate_to != "next":
        return [first]
    return [t for t in reachable(ticket, around) if first.rank <= t.rank < target.rank]


def unaffordable(view: RequestView, prices: Mapping[Tier, Price], remaining_usd: float | None) -> frozenset[Tier]:
    """Tiers whose answer to this request would cost more than the caller may still spend (None: no limit)."""
    if remaining_usd is None:
        return frozenset()
    tokens = expected_tokens(view, None)
    return frozenset(tier for tier, price in prices.items() if price.of(tokens) > remaining_usd)


def expected_tokens(view: RequestView, answer: Answer | None) -> TokenFields:
    """What another answer to this request is likely to take: the prompt again, and as much text as the first one."""
    length = max(len(answer.text) // 4, 16) if answer is not None else view.max_output_tokens or 256
    return TokenFields(max(view.input_tokens, 1), min(length, view.max_output_tokens or length))
