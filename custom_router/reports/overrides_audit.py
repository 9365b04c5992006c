"""Whether all traffic that matched a domain went to the tier which the policy required of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from custom_router.causes import Cause
from custom_router.reports.store import Store
from custom_router.tiers import Tier

LISTED = 1_000
"""Violations kept with their ids; all are counted."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A matched request that a lower tier answered, and why as far as the record tells."""

    request_id: str
    time: str
    domain: str
    rule: str
    required: str
    tier: str
    policy_version: str
    reason: str


@dataclass(slots=True)
class DomainAudit:
    """One domain's matched requests: how many went to the required tier or above, by which rules they matched, and
    what was required of them."""

    matched: int = 0
    held: int = 0
    rules: Counter[str] = field(default_factory=Counter)
    required: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class OverridesAudit:
    """What the records show. `policies` counts requests by policy version: a gap in the rules shows there.

    `capped_by_choice` are requests of capped callers that named a domain in a header themselves: it cannot lift a cap,
    and nobody's rule was passed over. `unjudged` matched a domain whose tier neither the record nor the policy tells.
    `unlooked` were decided without a look for domains, in mode `off` or after an error of the router's, and not by the
    frontier.
    """

    requests: int = 0
    domains: dict[str, DomainAudit] = field(default_factory=dict)
    violations: list[Violation] = field(default_factory=list)
    policies: Counter[str] = field(default_factory=Counter)
    capped_by_choice: int = 0
    unjudged: int = 0
    unlooked: int = 0

    @property
    def matched(self) -> int:
        """Requests that matched a domain."""
        return sum(domain.matched for domain in self.domains.values())

    @property
    def failed(self) -> int:
        """Matched requests that a lower tier than the required one answered."""
        return self.matched - sum(domain.held for domain in self.domains.values())


@dataclass(frozen=True, slots=True)
class Judged:
    """What a record says about its domain; `domain` is empty where none matched."""

    request_id: str
    time: str
    policy_version: str
    mode: str
    domain: str
    rule: str
    required: str
    tier: str
    causes: Sequence[str]


def judged_requests(store: Store) -> Iterator[Judged]:
    """Every request, a batch at a time in memory."""
    rows = store.stream(
        "SELECT coalesce(request_id, ''), strftime(moment, '%Y-%m-%dT%H:%M:%S.%g+00:00'), "
        "coalesce(policy_version, ''), coalesce(mode, ''), coalesce(domain, ''), coalesce(domain_rule, ''), "
        "coalesce(domain_tier, ''), coalesce(tier, ''), causes FROM requests"
    )
    return (Judged(*row) for row in rows)


def audit_overrides(requests: Iterable[Judged], required: Mapping[str, Tier]) -> OverridesAudit:
    """Judge every request. `required` holds the tiers of the policy in force, for records that do not say it."""
    audit = OverridesAudit()
    for request in requests:
        audit.requests += 1
        audit.policies[request.policy_version] += 1
        if request.domain:
            _judge(audit, request, _tier(request.required) or required.get(request.domain))
        elif request.mode == "off" or Cause.ENGINE_ERROR.value in request.causes:
            audit.unlooked += request.tier != Tier.FRONTIER.value
    return audit


def _judge(audit: OverridesAudit, request: Judged, required: Tier | None) -> None:
    served = _tier(request.tier)
    if required is None:
        audit.unjudged += 1
        return
    below = served is None or served.rank < required.rank
    if below and request.rule == "header" and Cause.CALLER_CAP.value in request.causes:
        audit.capped_by_choice += 1
        return
    found = audit.domains.setdefault(request.domain, DomainAudit())
    found.matched += 1
    found.held += not below
    found.rules[request.rule] += 1
    found.required[required.value] += 1
    if below and len(audit.violations) < LISTED:
        audit.violations.append(
            Violation(
                request.request_id, request.time, request.domain, request.rule, required.value, request.tier,
                request.policy_version, _reason(request),
            )
        )  # fmt: skip


def _reason(request: Judged) -> str:
    if request.mode != "enforce":
        return f"the policy's mode was {request.mode}"
    if Cause.CAP_OVER_DOMAIN.value in request.causes:
        return "the policy lets a caller's cap win over the domain"
    return f"causes: {', '.join(request.causes)}"


def _tier(value: str) -> Tier | None:
    return Tier(value) if value in set(Tier) else None
