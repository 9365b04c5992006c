"""The decision on LiteLLM's own OpenTelemetry span of a request, where its `otel` callback makes one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from custom_router.litellm_adapter.reading import METADATA_KEYS
from custom_router.records.record import DecisionRecord

_SPAN = "litellm_parent_otel_span"


def annotate(holder: Mapping[str, Any], record: DecisionRecord) -> None:
    """Put what is known of a request on its span. `holder` holds LiteLLM's metadata; without a span, or after its end,
    nothing happens."""
    for key in METADATA_KEYS:
        metadata = holder.get(key)
        span = metadata.get(_SPAN) if isinstance(metadata, Mapping) else None
        if span is not None and span.is_recording():
            span.set_attributes(attributes(record))
            return


def attributes(record: DecisionRecord) -> dict[str, str | bool | float | list[str]]:
    """The span's attributes by name; what is not known is left out."""
    told = {
        "request_id": record.request_id,
        "policy": record.policy_version,
        "mode": record.mode,
        "tier": record.tier,
        "decided_tier": record.decided_tier,
        "cause": list(record.causes),
        "domain": record.domain.name,
        "intent": record.scores.intent,
        "complexity": record.scores.complexity,
        "cache": record.cache.status,
        "confidence": record.gate.confidence,
        "verdict": record.gate.verdict,
        "escalated": record.gate.escalated_to is not None,
        "experiment": record.experiment.name,
        "overhead_ms": record.latency_ms.get("overhead"),
        "cost.total": record.cost.total,
        "cost.frontier_baseline": record.cost.frontier_baseline,
        "cost.saved": record.cost.saved,
    }
    return {f"tier_router.{name}": value for name, value in told.items() if value is not None}
