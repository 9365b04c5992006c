"""What the reports read of a record: the columns of the JSON, and what is kept of them.

The columns are named and typed, so that a record of another version, with fields more or fewer, is read like any
other: what is missing or of another type is null.
"""

from __future__ import annotations

_TIER_USD = "STRUCT(simple DOUBLE, medium DOUBLE, frontier DOUBLE)"

JSON_COLUMNS = {
    "request_id": "VARCHAR",
    "time": "VARCHAR",
    "policy_version": "VARCHAR",
    "call_type": "VARCHAR",
    "tenant": "STRUCT(team VARCHAR, team_alias VARCHAR, key_alias VARCHAR, key_hash VARCHAR, end_user VARCHAR)",
    "mode": "VARCHAR",
    "domain": "STRUCT(name VARCHAR, rule VARCHAR, tier VARCHAR)",
    "scores": "STRUCT(p_ok STRUCT(simple DOUBLE), intent VARCHAR)",
    "tier": "VARCHAR",
    "decided_tier": "VARCHAR",
    "deployment": "VARCHAR",
    "causes": "VARCHAR[]",
    "cache": "STRUCT(status VARCHAR, kind VARCHAR, p_same DOUBLE, guard VARCHAR)",
    "gate": "STRUCT(confidence DOUBLE, verdict VARCHAR, escalated_to VARCHAR)",
    "experiment": "STRUCT(name VARCHAR, arm VARCHAR)",
    "latency_ms": "MAP(VARCHAR, DOUBLE)",
    "tokens": "STRUCT(input BIGINT, output BIGINT)",
    "cost": "STRUCT(total DOUBLE, first_attempt DOUBLE, escalation DOUBLE, classifier DOUBLE, self_check DOUBLE, "
    "vllm DOUBLE, embedding DOUBLE, "
    f"frontier_baseline DOUBLE, saved DOUBLE, alternatives {_TIER_USD})",
    "outcome": "STRUCT(status VARCHAR, feedback DOUBLE)",
}
"""Column to DuckDB type, of a line of the record files."""

FEEDBACK_COLUMNS = {"request_id": "VARCHAR", "time": "VARCHAR", "score": "DOUBLE"}
"""Column to DuckDB type, of a line of the feedback files."""

PRUNED_COLUMNS = {"segment": "VARCHAR", "since": "TIMESTAMPTZ", "until": "TIMESTAMPTZ"}
"""Column to DuckDB type, of a line of the notes of deleted segments."""

MOMENT = r"CASE WHEN regexp_matches(time, '\d:\d\d.*(Z|[+-]\d\d(:?\d\d)?)$') THEN try_cast(time AS TIMESTAMPTZ) END"
"""When a record was made; null makes the line unreadable. A time without a zone could be any hour."""

_HIT = "coalesce(cache.status = 'hit', FALSE)"
_ESCALATED = "coalesce(gate.escalated_to, '') <> ''"

KEPT = {
    "moment": "timezone('UTC', moment)",
    # Only a matched request is ever named; 32 random characters of each would be half of the table.
    "request_id": "CASE WHEN domain.name IS NOT NULL THEN request_id END",
    "policy_version": "policy_version",
    "call_type": "call_type",
    "team": "coalesce(tenant.team, '')",
    "team_alias": "tenant.team_alias",
    "key_hash": "coalesce(tenant.key_hash, '')",
    "key_alias": "tenant.key_alias",
    "end_user": "coalesce(tenant.end_user, '')",
    "mode": "mode",
    "domain": "domain.name",
    "domain_rule": "domain.rule",
    "domain_tier": "domain.tier",
    "intent": "scores.intent",
    "p_ok_simple": "scores.p_ok.simple",
    "tier": "tier",
    "first_tier": f"CASE WHEN {_ESCALATED} THEN decided_tier ELSE tier END",
    "deployment": "deployment",
    "causes": "coalesce(causes, [])",
    "hit": _HIT,
    "cache_status": "coalesce(cache.status, 'bypass')",
    "cache_kind": "cache.kind",
    "p_same": "cache.p_same",
    "guard": "cache.guard",
    "confidence": "gate.confidence",
    "verdict": "coalesce(gate.verdict, 'bypass')",
    "escalated": _ESCALATED,
    "experiment": "experiment.name",
    "arm": "experiment.arm",
    "path": f"CASE WHEN {_HIT} THEN 'hit' WHEN {_ESCALATED} THEN 'escalated' ELSE 'direct' END",
    "total_ms": "latency_ms['total']",
    "latency_ms": "latency_ms",
    "input_tokens": "tokens.input",
    "output_tokens": "tokens.output",
    "cost": "cost.total",
    "first_attempt": "cost.first_attempt",
    "escalation": "cost.escalation",
    "overhead": "cost.classifier",
    "self_check": "cost.self_check",
    "vllm": "cost.vllm",
    "embedding": "cost.embedding",
    "baseline": "cost.frontier_baseline",
    "saved": "cost.saved",
    "at_simple": "cost.alternatives.simple",
    "at_medium": "cost.alternatives.medium",
    "at_frontier": "cost.alternatives.frontier",
    "status": "coalesce(outcome.status, 'unknown')",
    "score": "coalesce(feedback.score, outcome.feedback)",
}
"""Column of the table `requests` to the expression that makes it."""


def typed(columns: dict[str, str]) -> str:
    """Columns as `read_json` takes them."""
    return "{" + ", ".join(f"{name}: '{kind}'" for name, kind in columns.items()) + "}"
