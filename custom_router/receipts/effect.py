"""What an edit of the policy would have done to the last requests: each decided again, with the policy in force and
with the edit, from what was read of it then."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from custom_router.decide import decide
from custom_router.decision import Decision, Reading
from custom_router.domains.recognise import matched_by_model, matched_by_rules, named_by_caller, strictest
from custom_router.domains.rules import DomainRules
from custom_router.policy import Caller, Policy
from custom_router.receipts.preview import TierFacts
from custom_router.recent_requests import RecentRequest
from custom_router.records.record import DecisionRecord
from custom_router.tiers import higher, lower

EXAMPLES = 20
RULES_S = 0.5
"""Seconds that the rules of all domains may take for one request."""
SECONDS = 20.0
"""For all of them; what is left over is not judged, and said so."""


@dataclass(frozen=True, slots=True)
class Moved:
    """One request that the edit would have sent elsewhere, and why."""

    request_id: str
    before: str
    after: str
    causes: tuple[str, ...]


@dataclass(slots=True)
class Effect:
    """`requests` were decided again, `moved` of them would have gone to another tier. `domains` counts each domain's
    matches. Costs are of the first answer at its tier's list price, in dollars, for the requests whose tokens are
    known (`priced`)."""

    requests: int = 0
    moved: int = 0
    from_to: dict[str, int] = field(default_factory=dict)
    domains: dict[str, dict[str, int]] = field(default_factory=dict)
    priced: int = 0
    cost_before: float = 0.0
    cost_after: float = 0.0
    examples: list[Moved] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types; an example's tiers are `from` and `to`."""
        told = asdict(self)
        told["examples"] = [
            {"request_id": e.request_id, "from": e.before, "to": e.after, "causes": list(e.causes)}
            for e in self.examples
        ]
        return told


@dataclass(frozen=True, slots=True)
class Prepared:
    """A policy with its rules compiled."""

    policy: Policy
    rules: Mapping[str, DomainRules]

    @classmethod
    def of(cls, policy: Policy) -> Prepared:
        """Compile them. Raises `ValueError`."""
        domains = policy.document.domains
        return cls(policy, {name: DomainRules.compile(name, domain.rules) for name, domain in domains.items()})


def effect_of(
    before: Prepared,
    after: Prepared,
    requests: Iterable[RecentRequest],
    readings: Mapping[str, Reading],
    finished: Mapping[str, DecisionRecord],
    facts: TierFacts,
) -> Effect:
    """Decide again. `readings` are newer ones than the requests hold, `finished` tells their tokens. Any thread."""
    effect = Effect()
    end = time.monotonic() + SECONDS
    left_out = 0
    for request in requests:
        if time.monotonic() > end:
            left_out += 1
            continue
        reading = readings.get(request.request_id, request.reading)
        then = decide_again(request, reading, before)
        now = decide_again(request, reading, after)
        _count(effect, request, then, now, finished.get(request.request_id), facts)
    if left_out:
        effect.notes.append(f"{left_out} requests were left out for the time it took")
    effect.cost_before, effect.cost_after = round(effect.cost_before, 9), round(effect.cost_after, 9)
    return effect


def decide_again(request: RecentRequest, reading: Reading | None, prepared: Prepared) -> Decision:
    """The decision that another policy would have made of a request."""
    policy, around = prepared.policy, request.basis.around
    domains = policy.document.domains
    caller = _narrowed(request.caller, policy)
    matches = named_by_caller(caller)
    matches += matched_by_rules(prepared.rules, domains, caller, request.basis.searched, RULES_S)
    if reading is not None:
        matches += matched_by_model(reading.domains or {}, domains, caller)
    around = replace(around, domain=strictest(matches, domains, caller.max_tier))
    return decide(request.basis.view, reading.scores if reading else None, caller, policy, around)


def _narrowed(caller: Caller, policy: Policy) -> Caller:
    """What the caller's own settings allowed is not kept, so that another policy's limits can only narrow it."""
    limits = policy.document.callers
    cap = lower(caller.max_tier, limits.max_tier)
    return replace(caller, max_tier=cap, min_tier=lower(higher(caller.min_tier, limits.min_tier), cap))


def _count(
    effect: Effect,
    request: RecentRequest,
    then: Decision,
    now: Decision,
    finished: DecisionRecord | None,
    facts: TierFacts,
) -> None:
    effect.requests += 1
    for when, decision in (("before", then), ("after", now)):
        if decision.domain is not None:
            effect.domains.setdefault(decision.domain.name, {"before": 0, "after": 0})[when] += 1
    if then.served is not now.served:
        effect.moved += 1
        way = f"{then.served.value}→{now.served.value}"
        effect.from_to[way] = effect.from_to.get(way, 0) + 1
        if len(effect.examples) < EXAMPLES:
            causes = tuple(cause.value for cause in now.causes)
            effect.examples.append(Moved(request.request_id, then.served.value, now.served.value, causes))
    prices = facts.prices
    known = finished is not None and finished.tokens.input + finished.tokens.output > 0 and not request.hit
    if finished is not None and known and then.served in prices and now.served in prices:
        effect.priced += 1
        effect.cost_before += prices[then.served].of(finished.tokens)
        effect.cost_after += prices[now.served].of(finished.tokens)
