"""The `x-router-*` response headers: the record's gist, on every routed response."""

from __future__ import annotations

from custom_router.records.record import DecisionRecord

NONE = "none"
"""Value of a header that has nothing to say; every header is always present."""


def decision_headers(record: DecisionRecord) -> dict[str, str]:
    """Headers for a record as it stands. ASCII only: every value is a number, an enum member or a policy name."""
    confidence = record.gate.confidence
    complexity = record.scores.complexity
    cache = record.cache
    hit = cache.status == "hit"
    return {
        "x-router-tier": record.tier,
        "x-router-cause": ",".join(record.causes) or NONE,
        "x-router-complexity": NONE if complexity is None else f"{complexity:.1f}",
        "x-router-confidence": NONE if confidence is None else f"{confidence:.3f}",
        "x-router-escalated": str(record.gate.escalated_to is not None).lower(),
        "x-router-domain": record.domain.name or NONE,
        "x-router-cache": cache.status,
        "x-router-cache-id": (cache.entry_id if hit else None) or NONE,
        "x-router-cache-age": NONE if not hit or cache.age_s is None else f"{cache.age_s:.0f}",
        "x-router-policy": record.policy_version,
        "x-router-request-id": record.request_id,
        "x-router-overhead-ms": f"{record.latency_ms.get('overhead', 0.0):.1f}",
    }
