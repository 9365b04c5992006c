"""Whether all traffic that matched a domain went to the tier which the policy required of it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from custom_router.causes import Cause
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


def audit_overrides(records: Iterable[Mapping[str, Any]], required: Mapping[str, Tier]) -> OverridesAudit:
    """Judge every record. `required` holds the tiers of the policy in force, for records that do not say it."""
    audit = OverridesAudit()
    for record in records:
        audit.requests += 1
        audit.policies[str(record.get("policy_version"))] += 1
        domain = record.get("domain") or {}
        if name := domain.get("name"):
            _judge(audit, record, str(name), str(domain.get("rule")), _tier(domain.get("tier")) or required.get(name))
        elif record.get("mode") == "off" or Cause.ENGINE_ERROR.value in (record.get("causes") or ()):
            audit.unlooked += record.get("tier") != Tier.FRONTIER.value
    return audit


def _judge(audit: OverridesAudit, record: Mapping[str, Any], name: str, rule: str, required: Tier | None) -> None:
    causes = record.get("causes") or ()
    served = _tier(record.get("tier"))
    if required is None:
        audit.unjudged += 1
        return
    below = served is None or served.rank < required.rank
    if below and rule == "header" and Cause.CALLER_CAP.value in causes:
        audit.capped_by_choice += 1
        return
    found = audit.domains.setdefault(name, DomainAudit())
    found.matched += 1
    found.held += not below
    found.rules[rule] += 1
    found.required[required.value] += 1
    if below and len(audit.violations) < LISTED:
        told = {key: str(record.get(key)) for key in ("request_id", "time", "tier", "policy_version")}
        reason = _reason(record, causes)
        audit.violations.append(Violation(domain=name, rule=rule, required=required.value, reason=reason, **told))


def _reason(record: Mapping[str, Any], causes: Iterable[str]) -> str:
    if record.get("mode") != "enforce":
        return f"the policy's mode was {record.get('mode')}"
    if Cause.CAP_OVER_DOMAIN.value in causes:
        return "the policy lets a caller's cap win over the domain"
    return f"causes: {', '.join(causes)}"


def _tier(value: object) -> Tier | None:
    return Tier(value) if isinstance(value, str) and value in set(Tier) else None
