"""Why a request went where it went, and what would have sent it elsewhere. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from custom_router.causes import MEANING, Cause
from custom_router.classify.base import Scores
from custom_router.decide import decide
from custom_router.decision import Circumstances, Decision
from custom_router.policy import Caller, Policy
from custom_router.receipts.aftermath import Aftermath, aftermath_of, part
from custom_router.request import RequestView
from custom_router.tiers import TIERS, Tier

_JUST_BELOW = 1e-6
_FAILURES = frozenset(
    {
        Cause.ENCODER_UNAVAILABLE,
        Cause.ENCODER_BUSY,
        Cause.ENCODER_TIMEOUT,
        Cause.ENCODER_BREAKER_OPEN,
        Cause.CLASSIFIER_ERROR,
    }
)
_UNHEARD = frozenset(
    {
        Cause.VLLM_UNAVAILABLE,
        Cause.VLLM_BUSY,
        Cause.VLLM_TIMEOUT,
        Cause.VLLM_BREAKER_OPEN,
        Cause.VLLM_UNUSABLE,
    }
)


@dataclass(frozen=True, slots=True)
class Margin:
    """A cheap tier's p_ok against its threshold; `margin` is positive where it was reached."""

    tier: str
    p_ok: float
    threshold: float
    margin: float


@dataclass(frozen=True, slots=True)
class Alternative:
    """One thing that, had it been otherwise, would have led to another tier."""

    change: str
    tier: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything there is to say about one decision. Field names are those of the JSON output."""

    tier: str
    served: str
    mode: str
    complexity: float | None
    policy_version: str
    source: str
    ood: float | None
    ood_limit: float | None
    causes: tuple[tuple[str, str], ...]
    margins: tuple[Margin, ...]
    domain: Mapping[str, Any] | None
    intent: str | None
    sentence_encoder: str
    signals: Mapping[str, str | None]
    alternatives: tuple[Alternative, ...]
    remarks: tuple[str, ...]
    aftermath: Aftermath | None = None
    """What became of it; None for a prompt that was not sent."""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types; a cause becomes `{code, meaning}`."""
        return {**asdict(self), "causes": [{"code": code, "meaning": meaning} for code, meaning in self.causes]}


def explain_decision(
    view: RequestView, decision: Decision, policy: Policy, caller: Caller | None = None
) -> Explanation:
    """Explain what the engine just decided. `policy` and `caller` are those it decided with."""
    document = policy.document
    domain = decision.domain
    limits = document.callers
    caller = caller or Caller(max_tier=limits.max_tier, min_tier=limits.min_tier)
    alternatives = tuple(_alternatives(view, decision, policy, caller))
    remarks = []
    if not decision.p_ok:
        remarks.append("not classified, so what the classifier would have said otherwise is not known")
    elif not alternatives:
        remarks.append("no single change would have led to another tier")
    return Explanation(
        tier=decision.tier.value,
        served=decision.served.value,
        mode=decision.mode.value,
        complexity=round(decision.complexity, 3),
        policy_version=decision.policy_version,
        source=decision.source,
        ood=round(decision.ood, 4) if decision.p_ok else None,
        ood_limit=document.classifier.out_of_distribution.limit,
        causes=_meanings(cause.value for cause in decision.causes),
        margins=_margins(decision.p_ok, policy),
        domain=asdict(domain) if domain else None,
        intent=decision.intent,
        sentence_encoder=_encoder_use(decision.latency_ms, policy),
        signals={
            signal.value: floor.value if (floor := document.signals.get(signal)) else None
            for signal in sorted(view.signals)
        },
        alternatives=alternatives,
        remarks=tuple(remarks),
    )


def explain_record(record: Mapping[str, Any], policy: Policy) -> Explanation:
    """Explain a decision record. The prompt is not in it, so there are no signals and no alternatives."""
    scores = part(record, "scores")
    domain = part(record, "domain")
    version = str(record.get("policy_version"))
    same = version == policy.version
    remarks = [f"{name}: {text}" for name, text in _circumstances(record)]
    if not same:
        remarks.append(f"decided with policy {version}, and {policy.version} is in force now: no thresholds compared")
    served = str(record.get("tier"))
    return Explanation(
        tier=str(record.get("decided_tier") or served),
        served=served,
        mode=str(record.get("mode")),
        complexity=scores.get("complexity"),
        policy_version=version,
        source=str(scores.get("source")),
        ood=scores.get("ood"),
        ood_limit=policy.document.classifier.out_of_distribution.limit if same else None,
        causes=_meanings(map(str, record.get("causes") or ())),
        margins=_margins(part(scores, "p_ok"), policy) if same else (),
        domain=domain if domain.get("name") else None,
        intent=scores.get("intent"),
        sentence_encoder=_encoder_use(part(record, "latency_ms"), policy),
        signals={},
        alternatives=(),
        remarks=tuple(remarks),
        aftermath=aftermath_of(record),
    )


def _circumstances(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "time", f"{record.get('time')}, call type {record.get('call_type')}"
    if who := [f"{name} {value}" for name, value in part(record, "tenant").items() if value]:
        yield "tenant", ", ".join(who)
    yield "model group", f"{record.get('model_group')}, deployment {record.get('deployment') or 'unknown'}"


def _alternatives(view: RequestView, decision: Decision, policy: Policy, caller: Caller) -> Iterator[Alternative]:
    """Each change by itself, put to `decide` again: what it says is what would happen."""
    document = policy.document
    failures = tuple(cause for cause in decision.causes if cause in _FAILURES)
    unheard = next((cause for cause in decision.causes if cause in _UNHEARD), None)
    known = decision.basis.around if decision.basis is not None else Circumstances()
    around = replace(known, domain=decision.domain, failures=failures, unheard=unheard)
    p_ok = {Tier(name): value for name, value in decision.p_ok.items()}
    scores = Scores(p_ok, decision.ood, decision.source, decision.intent) if p_ok else None

    def outcome(
        change: str, *, v: RequestView = view, s: Scores | None = scores, a: Circumstances = around
    ) -> Iterator[Alternative]:
        tier = decide(v, s, caller, policy, a).tier
        if tier is not decision.tier:
            yield Alternative(change, tier.value)

    # Without scores the classifier's word is missing, and leaving out what made it unnecessary would say nothing.
    if scores is None:
        return
    if decision.domain is not None:
        change = f"without the {decision.domain.name} match ({decision.domain.rule})"
        yield from outcome(change, a=replace(around, domain=None))
    for signal in sorted(view.signals & document.signals.keys()):
        yield from outcome(f"without the {signal.value} signal", v=replace(view, signals=view.signals - {signal}))
    if decision.intent in document.intents:
        yield from outcome(f"were the intent not {decision.intent}", s=replace(scores, intent=None))
    if view.input_tokens >= document.long_context.tokens:
        yield from outcome(f"below {document.long_context.tokens:,} input tokens", v=replace(view, input_tokens=0))
    if scores.ood > document.classifier.out_of_distribution.limit:
        yield from outcome("were the prompt more like the training data", s=replace(scores, ood=0.0))
    for margin in _margins(decision.p_ok, policy):
        tier = Tier(margin.tier)
        missed = margin.margin < 0
        turned = {**p_ok, tier: margin.threshold if missed else margin.threshold - _JUST_BELOW}
        change = (
            f"p_ok[{tier.value}] {'at least' if missed else 'below'} {margin.threshold:g} (it is {margin.p_ok:.3f})"
        )
        yield from outcome(change, s=replace(scores, p_ok=turned))


def _encoder_use(latency_ms: Mapping[str, Any], policy: Policy) -> str:
    """Whether the sentence encoder was asked, read off the stages that took time."""
    if "encoder" in latency_ms:
        return "asked, as a domain's threshold was in reach"
    if "classify" not in latency_ms:
        return "not needed: nothing was left to classify"
    if all(domain.threshold is None for domain in policy.document.domains.values()):
        return "not needed: no domain asks the domain model"
    return "spared: the domain screen ruled every domain out"


def _margins(p_ok: Mapping[str, Any], policy: Policy) -> tuple[Margin, ...]:
    found = []
    for tier in TIERS[:-1]:
        threshold, p = policy.document.tiers[tier].threshold, p_ok.get(tier.value)
        if threshold is not None and isinstance(p, int | float):
            found.append(Margin(tier.value, p, threshold, round(p - threshold, 6)))
    return tuple(found)


def _meanings(codes: Iterator[str] | Any) -> tuple[tuple[str, str], ...]:
    known = {cause.value: MEANING[cause] for cause in Cause}
    return tuple((code, known.get(code, "a cause that this version does not know")) for code in codes)
