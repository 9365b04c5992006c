"""The report's figures added up in plain Python, record by record, to hold the queries against."""

from __future__ import annotations

import statistics
from collections import Counter
from math import fsum
from typing import Any

Record = dict[str, Any]


def usd(records: list[Record], field: str) -> float:
    return fsum(r["cost"][field] or 0.0 for r in records)


def is_hit(record: Record) -> bool:
    return record["cache"]["status"] == "hit"


def totals(records: list[Record]) -> dict[str, Any]:
    """What the report says of these records altogether, under the names of its JSON."""
    answered = [r for r in records if not is_hit(r)]
    priced = [r for r in records if r["cost"]["saved"] is not None]
    compared = [r for r in answered if r["cost"]["total"] is not None and len(r["cost"]["alternatives"]) == 3]
    shuffled = None
    if compared:
        mix = Counter(r["tier"] for r in compared)
        shuffled = sum(mix[t] / len(compared) * fsum(r["cost"]["alternatives"][t] for r in compared) for t in mix)
    judged = [r for r in records if r["gate"]["verdict"] != "bypass"]
    baseline = usd(priced, "frontier_baseline")
    return {
        "requests": len(records),
        "errors": sum(r["outcome"]["status"] == "error" for r in records),
        "unknown": sum(r["outcome"]["status"] == "unknown" for r in records),
        "cost.total": usd(records, "total"),
        "cost.first_attempt": usd(records, "first_attempt"),
        "cost.escalation": usd(records, "escalation"),
        "cost.classifier": usd(records, "classifier"),
        "cost.self_check": usd(records, "self_check"),
        "cost.vllm": usd(records, "vllm"),
        "cost.embedding": usd(records, "embedding"),
        "cost.frontier_baseline": usd(records, "frontier_baseline"),
        "cost.saved": usd(records, "saved"),
        "cost.saved_share": usd(records, "saved") / baseline if baseline else None,
        "cost.unpriced": sum(r["outcome"]["status"] == "ok" and r["cost"]["total"] is None for r in records),
        "cost.shuffled": shuffled,
        "cost.saved_shuffled": shuffled - usd(compared, "total") if shuffled is not None else None,
        "cost.compared": len(compared),
        "escalation.judged": len(judged),
        "escalation.escalated": sum(r["gate"]["escalated_to"] is not None for r in judged),
        "cache.hit": sum(is_hit(r) for r in records),
        "cache.exact": sum(is_hit(r) and r["cache"]["kind"] == "exact" for r in records),
        "cache.miss": sum(r["cache"]["status"] == "miss" for r in records),
        "cache.estimated_wrong": fsum(1 - r["cache"]["p_same"] for r in records if r["cache"]["kind"] == "semantic"),
        **{f"tiers.{t}.requests": sum(r["tier"] == t for r in answered) for t in ("simple", "medium", "frontier")},
        **{
            f"tiers.{t}.cost": usd([r for r in answered if r["tier"] == t], "total")
            for t in ("simple", "medium", "frontier")
        },
    }


def named(records: list[Record], *path: str) -> dict[str, int]:
    """Requests by what a field holds, null apart."""
    found: Counter[str] = Counter()
    for record in records:
        value: Any = record
        for key in path:
            value = value[key]
        if value is not None:
            found[value] += 1
    return dict(found)


def path_of(record: Record) -> str:
    return "hit" if is_hit(record) else "escalated" if record["gate"]["escalated_to"] else "direct"


def median_ms(records: list[Record], path: str) -> float | None:
    times = [
        r["latency_ms"]["total"]
        for r in records
        if r["outcome"]["status"] == "ok" and path_of(r) == path and "total" in r["latency_ms"]
    ]
    return statistics.median(times) if times else None
