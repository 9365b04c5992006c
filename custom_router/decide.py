"""The decision itself: scores, caller and policy in, a tier and its causes out. Pure."""

from __future__ import annotations

from custom_router.causes import Cause
from custom_router.classify.base import Scores
from custom_router.decision import Circumstances, Decision
from custom_router.domains.base import DomainMatch
from custom_router.judging import may_be_replaced
from custom_router.policy.cache import CacheScope
from custom_router.policy.caller import Caller
from custom_router.policy.load import Policy
from custom_router.policy.schema import Mode, PolicyDocument
from custom_router.request import RequestView
from custom_router.signals import Signal
from custom_router.tiers import TIERS, Tier, higher, lower

_SIGNAL_CAUSE = {
    Signal.CODE: Cause.SIGNAL_CODE,
    Signal.MATH: Cause.SIGNAL_MATH,
    Signal.TOOLS: Cause.SIGNAL_TOOLS,
    Signal.ATTACHMENT: Cause.SIGNAL_ATTACHMENT,
    Signal.JSON: Cause.SIGNAL_JSON,
}
_SCOPES = list(CacheScope)


def decide(
    view: RequestView,
    scores: Scores | None,
    caller: Caller,
    policy: Policy,
    circumstances: Circumstances | None = None,
) -> Decision:
    """Choose the tier for one request.

    The classifier proposes; floors raise (domain, signals, conversation, caller, capability); the caller's cap
    lowers last, except where the policy lets a domain win over it. `scores` is None when classification was
    not needed or failed.
    """
    document = policy.document
    around = circumstances or Circumstances()
    domain = around.domain
    ladder = _Ladder()
    if document.mode is Mode.OFF:
        ladder.propose(document.default_tier, Cause.MODE_OFF)
    else:
        _propose(ladder, view, scores, document, around)
        _raise_by_policy(ladder, view, scores, caller, document, around)
    if view.malformed:
        ladder.raise_to(Tier.FRONTIER, Cause.MALFORMED_REQUEST)
    _raise_by_caller(ladder, caller)
    _raise_by_capability(ladder, view, around)
    _apply_cap(ladder, caller, document, domain)
    _check_capability(ladder, view, around)
    causes = [*ladder.causes, *caller.causes]
    served = ladder.tier
    if document.mode is Mode.SHADOW:
        # Shadow serves what the caller would have had without a router, which a cap still limits, and which must
        # still be able to take the request.
        default = _Ladder()
        default.propose(document.default_tier, Cause.MODE_SHADOW)
        _raise_by_capability(default, view, around)
        served = lower(default.tier, caller.max_tier)
        causes.extend(default.causes)
    rule = document.domains.get(domain.name) if domain else None
    return Decision(
        tier=ladder.tier,
        served=served,
        causes=tuple(dict.fromkeys(causes)),
        set_by=ladder.set_by,
        p_ok={tier.value: round(p, 6) for tier, p in scores.p_ok.items()} if scores else {},
        complexity=scores.complexity if scores else 10.0 * ladder.tier.rank / (len(TIERS) - 1),
        ood=scores.ood if scores else 0.0,
        source=scores.source if scores else "none",
        intent=scores.intent if scores else None,
        domain=domain,
        domain_tier=rule.tier if rule else None,
        gate_bypass=bool(rule and rule.gate == "bypass") or caller.gate is False,
        cache=min((caller.cache, rule.cache if rule else caller.cache), key=_SCOPES.index),
        mode=document.mode,
        policy_version=policy.version,
    )


class _Ladder:
    """The tier so far and why."""

    def __init__(self) -> None:
        self.tier = Tier.SIMPLE
        self.causes: list[Cause] = []
        self.set_by = Cause.SCORE

    def propose(self, tier: Tier, cause: Cause) -> None:
        self.tier = tier
        self.set_by = cause
        self.causes.append(cause)

    def raise_to(self, tier: Tier, cause: Cause) -> None:
        if tier.rank > self.tier.rank:
            self.propose(tier, cause)


def _propose(
    ladder: _Ladder, view: RequestView, scores: Scores | None, document: PolicyDocument, around: Circumstances
) -> None:
    if around.kept is not None:
        # The turn was judged when it began; a stage that fails in the middle of its work changes nothing about it.
        ladder.causes.extend(around.failures)
        ladder.propose(around.kept, Cause.CONVERSATION_KEPT)
        return
    for cause in around.failures:
        ladder.propose(higher(ladder.tier, document.classifier.on_failure), cause)
    if scores is None:
        return
    chosen = cheapest_good_enough(scores, document)
    if around.failures:
        ladder.raise_to(chosen, Cause.SCORE)  # the head has spoken, and another stage has not
    else:
        ladder.propose(chosen, Cause.SCORE)
    unfamiliar = document.classifier.out_of_distribution
    if scores.ood > unfamiliar.limit:
        ladder.raise_to(unfamiliar.tier, Cause.OUT_OF_DISTRIBUTION)
    if around.unheard is not None:
        ladder.causes.append(around.unheard)
        if document.classifier.vllm.on_failure == "up" and ladder.tier is not Tier.FRONTIER:
            ladder.propose(TIERS[ladder.tier.rank + 1], around.unheard)


def cheapest_good_enough(scores: Scores, document: PolicyDocument) -> Tier:
    """The cheapest tier whose p_ok reaches its threshold; the frontier when none does."""
    for tier in TIERS[:-1]:
        threshold = document.tiers[tier].threshold
        if threshold is not None and scores.p_ok.get(tier, 0.0) >= threshold:
            return tier
    return Tier.FRONTIER


_DOMAIN_CAUSE = {
    "model": Cause.DOMAIN_MODEL,
    "header": Cause.DOMAIN_HEADER,
    "caller": Cause.DOMAIN_CALLER,
    "timeout": Cause.RULES_TIMEOUT,
}


def _raise_by_policy(
    ladder: _Ladder,
    view: RequestView,
    scores: Scores | None,
    caller: Caller,
    document: PolicyDocument,
    around: Circumstances,
) -> None:
    domain = around.domain
    if domain is not None and domain.name in document.domains:
        # Recorded even where the score alone would have sent the request as high: the audit counts every match.
        ladder.propose(
            higher(ladder.tier, document.domains[domain.name].tier),
            _DOMAIN_CAUSE.get(domain.rule, Cause.DOMAIN_RULE),
        )
    for signal, floor in document.signals.items():
        if signal in view.signals:
            ladder.raise_to(floor, _SIGNAL_CAUSE[signal])
    if scores is not None and scores.intent in document.intents:
        ladder.raise_to(document.intents[scores.intent].tier, Cause.INTENT_FLOOR)
    if view.input_tokens >= document.long_context.tokens:
        ladder.raise_to(document.long_context.tier, Cause.SIGNAL_LONG_CONTEXT)
    if around.floor is not None and document.conversations.sticky:
        ladder.raise_to(around.floor, Cause.CONVERSATION_FLOOR)
    if around.followed is not None:
        ladder.raise_to(around.followed, Cause.CONVERSATION_FLOOR)
    # Work under way keeps its model; where the gate replaces an answer, it goes on with that one's.
    name = domain.name if domain is not None else None
    hopeless = {tier for tier in around.hopeless if may_be_replaced(view, tier, name, caller, document)}
    if around.kept is None and ladder.tier in hopeless:
        worth_trying = [tier for tier in TIERS[ladder.tier.rank :] if tier not in hopeless]
        ladder.raise_to(worth_trying[0] if worth_trying else Tier.FRONTIER, Cause.GATE_STRAIGHT_UP)


def _raise_by_caller(ladder: _Ladder, caller: Caller) -> None:
    ladder.raise_to(caller.min_tier, Cause.CALLER_FLOOR)
    if caller.header_tier is not None:
        ladder.raise_to(caller.header_tier, Cause.HEADER_FLOOR)


def _lacks(view: RequestView, around: Circumstances, tier: Tier) -> Cause | None:
    capability = around.capabilities.get(tier)
    if capability is None:
        return None
    if view.images and not capability.vision:
        return Cause.VISION_REQUIRED
    window = capability.max_input_tokens
    if window is not None and view.input_tokens + (view.max_output_tokens or 0) > window:
        return Cause.CONTEXT_WINDOW
    return None


def _raise_by_capability(ladder: _Ladder, view: RequestView, around: Circumstances) -> None:
    for tier in TIERS[ladder.tier.rank :]:
        cause = _lacks(view, around, tier)
        if cause is None:
            return
        if tier is not Tier.FRONTIER:
            ladder.raise_to(TIERS[tier.rank + 1], cause)


def _apply_cap(ladder: _Ladder, caller: Caller, document: PolicyDocument, domain: DomainMatch | None) -> None:
    if ladder.tier.rank <= caller.max_tier.rank:
        return
    # Only domains that the operator's own rules, model or key settings found may lift a cap: a request header
    # names a domain too, and would otherwise be a way around it.
    required = document.domains.get(domain.name) if domain and domain.rule != "header" else None
    if required is not None and required.tier.rank > caller.max_tier.rank and document.mode is not Mode.OFF:
        if document.callers.domain_over_cap:
            if ladder.tier.rank > required.tier.rank:
                ladder.propose(required.tier, Cause.CALLER_CAP)
            ladder.causes.append(Cause.DOMAIN_OVER_CAP)
            return
        ladder.causes.append(Cause.CAP_OVER_DOMAIN)
    ladder.propose(caller.max_tier, Cause.CALLER_CAP)


def _check_capability(ladder: _Ladder, view: RequestView, around: Circumstances) -> None:
    if _lacks(view, around, ladder.tier) is not None:
        ladder.causes.append(Cause.NO_CAPABLE_TIER)
