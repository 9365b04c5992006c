"""Counts a finished request, from its record alone: what metrics and records say cannot differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from custom_router import metrics
from custom_router.bounded_labels import BoundedLabel
from custom_router.causes import Cause
from custom_router.records.record import DecisionRecord
from custom_router.tiers import Tier

TEAMS = BoundedLabel("teams", 50)
DEPLOYMENTS = BoundedLabel("deployments", 50)
STAGES = ("rules", "classify", "encoder", "vllm", "decide", "cache")
PARTS = ("first_attempt", "escalation", "self_check", "vllm", "embedding")
"""Fields of the record's cost that make up its total."""
FAILURES = frozenset(
    {
        Cause.ENCODER_UNAVAILABLE, Cause.ENCODER_BUSY, Cause.ENCODER_TIMEOUT, Cause.ENCODER_BREAKER_OPEN,
        Cause.CLASSIFIER_ERROR, Cause.VLLM_UNAVAILABLE, Cause.VLLM_BUSY, Cause.VLLM_TIMEOUT, Cause.VLLM_BREAKER_OPEN,
        Cause.VLLM_UNUSABLE, Cause.RULES_TIMEOUT, Cause.ENGINE_ERROR, Cause.GATE_ERROR, Cause.CACHE_TIMEOUT,
        Cause.CACHE_UNAVAILABLE, Cause.CACHE_BREAKER_OPEN, Cause.CACHE_ERROR, Cause.CACHE_LOST,
    }
)  # fmt: skip
"""Causes that say that a stage could not answer."""


def observe(record: DecisionRecord) -> None:
    """Count one finished request."""
    _decision(record)
    _outcome(record)
    _durations(record)
    _gate(record)
    _cache(record)
    _money(record)


def observe_feedback(record: Mapping[str, Any], score: float) -> None:
    """Count an opinion, -1 to 1, on the answer of a record in plain types."""
    opinion = "good" if score > 0 else "bad" if score < 0 else "neutral"
    metrics.FEEDBACK.labels(opinion, record["cache"]["status"]).inc()


def path_of(record: DecisionRecord) -> str:
    """How the answer came about: `hit`, `escalated` or `direct`."""
    if record.cache.status == "hit":
        return "hit"
    return "escalated" if record.gate.escalated_to is not None else "direct"


def answered_by(record: DecisionRecord) -> str:
    """The tier that answered; `cache` for a hit, whose tier answered some other time."""
    return "cache" if record.cache.status == "hit" else record.tier


def _decision(record: DecisionRecord) -> None:
    scores = record.scores
    metrics.DECISIONS.labels(record.decided_tier, record.decided_by, record.domain.name or "none").inc()
    metrics.INTENTS.labels(scores.intent or "none", record.decided_tier).inc()
    for cause in record.causes:
        metrics.CAUSES.labels(cause).inc()
        if cause in FAILURES:
            metrics.STAGE_FAILURES.labels(cause).inc()
    if scores.p_ok:
        for tier in (Tier.SIMPLE, Tier.MEDIUM):
            if (p_ok := scores.p_ok.get(tier)) is not None:
                metrics.P_OK.labels(tier.value).observe(p_ok)
        metrics.OOD.observe(scores.ood or 0.0)
    if scores.vllm.heard is not None:
        outcome = "heard" if scores.vllm.heard else scores.vllm.failure or Cause.VLLM_UNAVAILABLE.value
        metrics.VLLM_QUESTIONS.labels(outcome).inc()
        if scores.vllm.ms is not None:
            metrics.VLLM_SECONDS.observe(scores.vllm.ms / 1000)


def _outcome(record: DecisionRecord) -> None:
    status, tier = record.outcome.status, answered_by(record)
    metrics.OUTCOMES.labels(tier, status).inc()
    metrics.DEPLOYMENTS.labels(DEPLOYMENTS.of(record.deployment), status).inc()
    metrics.TOKENS.labels(tier, "input").inc(record.tokens.input)
    metrics.TOKENS.labels(tier, "output").inc(record.tokens.output)
    if status != "ok":
        return
    if (required := record.domain.tier) is not None and record.domain.name and not _capped_by_choice(record):
        # Counted at 0 too: a series that begins with its first violation shows no increase.
        below = Tier(record.tier).rank < Tier(required).rank
        metrics.DOMAIN_VIOLATIONS.labels(record.domain.name).inc(below)
    if Cause.CALLER_CAP in record.causes and Tier(record.tier).rank > Tier(record.decided_tier).rank:
        metrics.CAP_VIOLATIONS.inc()


def _capped_by_choice(record: DecisionRecord) -> bool:
    """A capped caller named the domain itself, which cannot lift its cap: nobody's rule was passed over."""
    return record.domain.rule == "header" and Cause.CALLER_CAP in record.causes


def _durations(record: DecisionRecord) -> None:
    spent = record.latency_ms
    for stage in STAGES:
        if stage in spent:
            metrics.STAGE_SECONDS.labels(stage).observe(spent[stage] / 1000)
    if "overhead" in spent:
        metrics.OVERHEAD.observe(spent["overhead"] / 1000)
    if record.outcome.status != "ok":
        return
    path = path_of(record)
    if "total" in spent:
        metrics.REQUEST_SECONDS.labels(path).observe(spent["total"] / 1000)
    if "ttft" in spent:
        metrics.TTFT_SECONDS.labels(path).observe(spent["ttft"] / 1000)


def _gate(record: DecisionRecord) -> None:
    gate = record.gate
    if gate.verdict == "bypass":
        return
    first = record.tier if gate.escalated_to is None else record.decided_tier
    metrics.GATE_VERDICTS.labels(first, gate.verdict).inc()
    if gate.confidence is not None:
        metrics.GATE_CONFIDENCE.labels(first).observe(gate.confidence)
    if gate.held_ms is not None:
        metrics.GATE_HELD.observe(gate.held_ms / 1000)
    if gate.escalated_to is not None:
        metrics.GATE_ESCALATIONS.labels(first, gate.escalated_to).inc()


def _cache(record: DecisionRecord) -> None:
    cache = record.cache
    metrics.CACHE_REQUESTS.labels(cache.status, cache.kind or "none").inc()
    if cache.guard is not None:
        metrics.CACHE_REFUSALS.labels(cache.guard).inc()
    if cache.status == "hit" and cache.p_same is not None:
        metrics.CACHE_EXPECTED_WRONG.inc(max(0.0, 1.0 - cache.p_same))


def _money(record: DecisionRecord) -> None:
    cost, team = record.cost, TEAMS.of(record.tenant.team_alias or record.tenant.team)
    if cost.total is not None:
        metrics.COST.labels(answered_by(record), team).inc(cost.total)
        for part in PARTS:
            metrics.COST_PARTS.labels(part).inc(getattr(cost, part) or 0.0)
    for tier, price in cost.alternatives.items():
        metrics.ALTERNATIVES.labels(tier).inc(price)
    if cost.frontier_baseline is not None:
        metrics.BASELINE_COST.labels(team).inc(cost.frontier_baseline)
    if cost.saved is not None:
        metrics.SAVED.labels(team).inc(max(0.0, cost.saved))
        metrics.LOST.labels(team).inc(max(0.0, -cost.saved))
    if record.outcome.status == "ok":
        for name, known in (("cost", cost.total), ("baseline", cost.frontier_baseline)):
            if known is None:
                metrics.UNPRICED.labels(name).inc()
