"""Whose answers the gate judges, as far as it can be known before there is one. Pure."""

from __future__ import annotations

from custom_router.policy.caller import Caller
from custom_router.policy.schema import PolicyDocument
from custom_router.request import RequestView
from custom_router.tiers import Tier


def may_be_judged(view: RequestView, policy: PolicyDocument) -> bool:
    """Whether answers to such a request are judged anywhere.

    Several alternatives (`n > 1`) are delivered as they are: the client means to choose itself.
    """
    gate = policy.gate
    if not gate.enabled and not any(override.enabled for override in gate.overrides):
        return False
    return not (view.malformed or view.n > 1 or (view.stream and gate.streaming == "off"))


def may_be_replaced(view: RequestView, tier: Tier, domain: str | None, caller: Caller, policy: PolicyDocument) -> bool:
    """Whether an answer of `tier` would be judged, and a better one allowed."""
    rule = policy.domains.get(domain) if domain is not None else None
    if caller.gate is False or (rule is not None and rule.gate == "bypass") or tier.rank >= caller.max_tier.rank:
        return False
    return may_be_judged(view, policy) and policy.gate.thresholds(tier, domain, caller.teams) is not None
