"""What would happen to a request that nobody has sent, and why. Nothing is asked upstream, stored, remembered or
counted."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from custom_router.cache.base import Lookup
from custom_router.cache.key import CacheTenant
from custom_router.decision import Capability, Decision
from custom_router.domains.recognise import applies, matched_by_rules
from custom_router.escalation import hopeless
from custom_router.gating import is_gated
from custom_router.policy import Caller, Policy
from custom_router.policy.schema import Tiers
from custom_router.question import Question
from custom_router.receipts.aftermath import guard_meaning
from custom_router.receipts.explanation import explain_decision
from custom_router.receipts.nearest import NearestExamples
from custom_router.receipts.prices import prices_of
from custom_router.records.cost import Price
from custom_router.request import RequestView
from custom_router.runtime import Runtime
from custom_router.tiers import Tier

RULES_S = 1.0


class TierFacts(Protocol):
    """What is known of the deployments behind the tiers."""

    @property
    def capabilities(self) -> Mapping[Tier, Capability]:
        """What every deployment of a tier can take."""

    @property
    def prices(self) -> Mapping[Tier, Price]:
        """The price of each tier's first deployment."""

    @property
    def models(self) -> str:
        """Names all models behind the tiers."""

    @property
    def cache_group(self) -> str | None:
        """The model group that serves stored answers."""


class Deployed(Protocol):
    """The proxy's deployments."""

    def tier_facts(self, tiers: Tiers) -> TierFacts:
        """What the tiers of a policy can take and cost."""

    def refuse_unknown_groups(self, policy: Policy) -> None:
        """Raise `PolicyError` for a tier whose model group the proxy does not have."""


@dataclass(frozen=True, slots=True)
class Unsent:
    """A request that might be sent: its body as an API would take it, who would send it, how long the answer is taken
    to be."""

    view: RequestView
    body: Mapping[str, Any]
    caller: Caller
    tenant: CacheTenant
    output_tokens: int | None = None
    whole: bool = False
    """Whether the policy's own words, which are the operator's, may be shown."""


class Previews:
    """Looks ahead. One per process."""

    def __init__(self, runtime: Runtime, deployed: Deployed) -> None:
        self._runtime = runtime
        self._deployed = deployed
        self._nearest = NearestExamples()
        self._reading = asyncio.Lock()

    async def of(self, unsent: Unsent) -> dict[str, Any]:
        """Everything there is to say, in JSON types. Waits for every stage: a live request that finds one late goes up
        a tier."""
        engine = self._runtime.engine
        policy, view, caller = engine.policy, unsent.view, unsent.caller
        facts = self._deployed.tier_facts(policy.document.tiers)
        rates = self._runtime.gatekeeper.rates
        decision = await engine.decide(
            view,
            caller,
            tenant=uuid.uuid4().hex,  # nobody's: what conversations have reached is not this request's
            capabilities=facts.capabilities,
            hopeless=hopeless(rates.of(unsent.tenant.team or unsent.tenant.key), policy.document, facts.prices),
            patient=True,
            rehearsal=True,
        )
        basis_view = decision.basis.view if decision.basis is not None else view
        entry = str(unsent.body.get("model") or policy.document.entry_models[0])
        question = Question(unsent.body, unsent.tenant, group=facts.cache_group, models=f"{entry} {facts.models}")
        found = await self._runtime.caching.peek(view, caller, decision, policy, question)
        prices = prices_of(
            view.input_tokens,
            unsent.output_tokens,
            view.max_output_tokens,
            list(self._runtime.finished.recent.values()),
            facts.prices,
        )
        return {
            "explanation": explain_decision(basis_view, decision, policy, caller).as_dict(),
            "rules": self._rule_hits(basis_view, caller, policy, unsent.whole),
            "domain_model": _domain_scores(decision, policy, caller),
            "cache": _cache(found),
            "gate": {"judged": is_gated(view, caller, decision, policy)},
            "prices": asdict(prices),
            "nearest": await self._near(decision, view),
            "caller": {
                "max_tier": caller.max_tier.value,
                "min_tier": caller.min_tier.value,
                "cache": caller.cache.value,
                "domain": caller.domain,
                "problems": list(caller.problems),
            },
        }

    def _rule_hits(self, view: RequestView, caller: Caller, policy: Policy, whole: bool) -> list[dict[str, Any]]:
        domains = policy.document.domains
        rules = {name: compiled for name, compiled in self._runtime.engine.rules.items() if name in domains}
        hits = matched_by_rules(rules, domains, caller, view.searched, RULES_S)
        told: list[dict[str, Any]] = []
        for hit in hits:
            kind, _, number = hit.rule.partition(":")
            pattern = domains[hit.name].rules.patterns[int(number) - 1] if kind == "pattern" and whole else None
            told.append({"domain": hit.name, "rule": hit.rule, "pattern": pattern})
        return told

    async def _near(self, decision: Decision, view: RequestView) -> list[dict[str, Any]]:
        models = self._runtime.engine.classification.models
        if models is None:
            return []
        judged = decision.basis.judged if decision.basis is not None else view
        async with self._reading:
            near = await asyncio.to_thread(self._nearest.of, judged.bounded, models.static)
        return [asdict(each) for each in near]


def _domain_scores(decision: Decision, policy: Policy, caller: Caller) -> list[dict[str, Any]]:
    """The domain model's word on each domain that asks it: null where the screen had ruled all of them out."""
    said = decision.reading.domains if decision.reading is not None else None
    return [
        {"domain": name, "probability": round(said[name], 4) if said else None, "threshold": domain.threshold}
        for name, domain in policy.document.domains.items()
        if domain.threshold is not None and applies(domain, caller)
    ]


def _cache(found: Lookup) -> dict[str, Any]:
    return {
        "status": found.status.value,
        "kind": found.kind.value if found.kind else None,
        "similarity": None if found.similarity is None else round(found.similarity, 4),
        "p_same": None if found.p_same is None else round(found.p_same, 4),
        "entry_id": found.entry_id,
        "age_s": None if found.age_s is None else round(found.age_s, 1),
        "guard": found.guard,
        "meaning": guard_meaning(found.guard),
        "causes": [cause.value for cause in found.causes],
    }
