"""Which requests take part in the cache, by what was decided of them, and which answers stay. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from custom_router.cache.eligible import Ineligible
from custom_router.causes import Cause
from custom_router.confidence.base import Answer, Expectations
from custom_router.confidence.gate import Verdict
from custom_router.confidence.text import failures
from custom_router.decision import Decision
from custom_router.policy import Caller, Mode, Policy
from custom_router.records.record import DecisionRecord
from custom_router.request import CallType, RequestView
from custom_router.tiers import Tier, higher

_TEXT_FIELDS = frozenset({
    "model", "messages", "prompt", "input", "instructions", "system", "stream", "stream_options", "n", "user",
    "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention",
    "temperature", "top_p", "top_k", "seed", "stop", "stop_sequences", "max_tokens", "max_completion_tokens",
    "max_output_tokens", "presence_penalty", "frequency_penalty", "logit_bias", "response_format", "text",
    "reasoning_effort", "verbosity", "truncation",
})  # fmt: skip
"""Fields with which a plain text is the whole answer: no log probabilities, no thinking, no audio."""

_FAILED = frozenset({
    Cause.ENGINE_ERROR, Cause.CLASSIFIER_ERROR, Cause.MALFORMED_REQUEST, Cause.ENCODER_UNAVAILABLE,
    Cause.ENCODER_BUSY, Cause.ENCODER_TIMEOUT, Cause.ENCODER_BREAKER_OPEN,
})  # fmt: skip
"""Causes after which a domain, whose answers may be nobody's to share, could have gone unnoticed."""

_WHOLE = ("stop", "end_turn", "stop_sequence")


def kept_away(
    view: RequestView, body: Mapping[str, Any], caller: Caller, decision: Decision, *, group: str | None
) -> Ineligible | None:
    """Why a request neither looks into the cache nor leaves its answer there; None where it may."""
    if decision.mode is not Mode.ENFORCE:
        return Ineligible.MODE
    if caller.header_cache == "bypass":
        return Ineligible.ASKED_BYPASS
    if group is None:
        return Ineligible.NO_GROUP
    if _FAILED.intersection(decision.causes):
        return Ineligible.UNDECIDED
    if any(value is not None and name not in _TEXT_FIELDS for name, value in body.items()):
        return Ineligible.FIELD
    # Unless told not to, that API promises to remember its answers, for a later turn or to be fetched again.
    if view.call_type is CallType.RESPONSES and body.get("store") is not False:
        return Ineligible.STATEFUL
    return None


def least_tier(caller: Caller, decision: Decision, policy: Policy) -> Tier:
    """The lowest tier that may answer at all, by the request's domain, its caller and its headers."""
    domain = policy.document.domains.get(decision.domain.name) if decision.domain else None
    floor = higher(caller.min_tier, caller.header_tier or Tier.SIMPLE)
    return higher(floor, domain.tier) if domain else floor


def unfit(stored: Tier, caller: Caller, decision: Decision) -> str | None:
    """Why an answer that a tier once gave is not given to this request; None where it may be."""
    if stored.rank < decision.served.rank:
        return "tier_below"
    over = Cause.DOMAIN_OVER_CAP in decision.causes
    return "tier_above_cap" if stored.rank > caller.max_tier.rank and not over else None


def not_accepted(
    record: DecisionRecord, view: RequestView, answer: Answer, expected: Expectations, caller: Caller, policy: Policy
) -> bool:
    """Whether the answer of a finished request is not one to give again: broken off, cut, faulty, or not accepted.

    Accepted is what the gate judged good enough to deliver, what the highest tier said, and what the policy does not
    have judged. Not what a caller declined to have judged: others would get it who did not.
    """
    if record.outcome.status != "ok" or answer.finish_reason not in _WHOLE or answer.tool_calls or answer.unread:
        return True
    if not answer.text.strip() or failures(view, answer, expected):
        return True
    if record.tier == Tier.FRONTIER:
        return False
    if record.gate.verdict == "bypass":
        gate = policy.document.gate
        unjudged = caller.gate is False or (view.stream and gate.streaming == "off")
        return unjudged and (gate.enabled or bool(gate.overrides))
    return record.gate.verdict == Verdict.ESCALATE
