"""One request's domain, from everything that can name one: rules, the model, the caller's key, a header."""

from __future__ import annotations

import time
from collections.abc import Mapping

from custom_router.domains.base import DomainMatch
from custom_router.domains.rules import DomainRules
from custom_router.domains.text import RuleText
from custom_router.policy.caller import Caller
from custom_router.policy.schema import DomainPolicy
from custom_router.tiers import Tier, lower

_STRENGTH = {"header": 0, "model": 1, "caller": 2}


def applies(policy: DomainPolicy, caller: Caller) -> bool:
    """Whether a domain covers this caller's team."""
    return policy.teams is None or not caller.teams.isdisjoint(policy.teams)


def named_by_caller(caller: Caller) -> list[DomainMatch]:
    """Domains that the key, the team or a request header names outright."""
    named = [(caller.domain, "caller"), (caller.header_domain, "header")]
    return [DomainMatch(name, 1.0, rule) for name, rule in named if name]


def matched_by_rules(
    rules: Mapping[str, DomainRules], domains: Mapping[str, DomainPolicy], caller: Caller, text: str, budget_s: float
) -> list[DomainMatch]:
    """Domains whose rules match `text`. `budget_s` is the processor time that all domains share, in seconds."""
    end = time.thread_time() + budget_s
    read = RuleText.of(text)
    return [
        match
        for name, compiled in rules.items()
        if applies(domains[name], caller) and (match := compiled.match(read, end - time.thread_time())) is not None
    ]


def asked_of_model(domains: Mapping[str, DomainPolicy], caller: Caller) -> dict[str, float]:
    """Threshold by name of the domains that ask the model and cover this caller."""
    return {
        name: policy.threshold
        for name, policy in domains.items()
        if policy.threshold is not None and applies(policy, caller)
    }


def matched_by_model(
    probabilities: Mapping[str, float], domains: Mapping[str, DomainPolicy], caller: Caller
) -> list[DomainMatch]:
    """Domains whose model probability reaches their threshold."""
    return [
        DomainMatch(name, probability, "model")
        for name, probability in probabilities.items()
        if (policy := domains.get(name)) is not None
        and policy.threshold is not None
        and not probability < policy.threshold  # a vector that is no number leaves doubt, and doubt counts as a match
        and applies(policy, caller)
    ]


def strictest(
    matches: list[DomainMatch], domains: Mapping[str, DomainPolicy], cap: Tier = Tier.FRONTIER
) -> DomainMatch | None:
    """The match with the highest tier; between equals the stronger evidence, then the higher score.

    A header cannot lift the caller's `cap`, so it counts for no more than that: it would otherwise hide a domain
    that can.
    """

    def weight(match: DomainMatch) -> tuple[int, int, float]:
        tier = domains[match.name].tier
        demanded = lower(tier, cap) if match.rule == "header" else tier
        return demanded.rank, _STRENGTH.get(match.rule, 3), match.score

    return max((match for match in matches if match.name in domains), key=weight, default=None)
