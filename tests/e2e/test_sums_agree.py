"""The same money and the same requests in all that tells of them: records, metrics, report, console, bill, spend log.

For the mixed traffic of `team_traffic`: all endpoints, streams, faults, escalations, hits, two workers. To the request,
and to a millionth of a dollar.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter, defaultdict
from datetime import UTC, datetime
from typing import Any

import pytest

from custom_router.observed import PARTS
from tests.cli.cli_calls import run
from tests.e2e.conftest import wait_until
from tests.e2e.keyed_stack import WRITTEN_S
from tests.e2e.team_traffic import Traffic, of_calls

TIERS = ("simple", "medium", "frontier")


def dollars(records: list[dict[str, Any]], part: str = "total") -> float:
    """The sum of one part of the records' costs."""
    return sum(record["cost"][part] or 0.0 for record in records)


def cents(amount: float) -> Any:
    """The same amount, to a millionth of a dollar."""
    return pytest.approx(amount, abs=1e-6)


def test_the_spend_log_bills_what_the_records_say_request_by_request(traffic: Traffic) -> None:
    ours = {(r["tenant"]["key_hash"], r["request_id"]): of_calls(r) for r in traffic.records}

    def differing() -> dict[tuple[str, str], tuple[float, float]]:
        theirs: dict[tuple[str, str], float] = defaultdict(float)
        for row in traffic.proxy.logged():
            if row.request_id is not None:
                theirs[row.key_hash, row.request_id] += row.spend
        both = {who: (ours.get(who, 0.0), theirs.get(who, 0.0)) for who in ours.keys() | theirs.keys()}
        return {who: sums for who, sums in both.items() if abs(sums[0] - sums[1]) > 1e-9}

    try:
        wait_until(lambda: not differing(), WRITTEN_S)
    finally:
        of = {record["request_id"]: record for record in traffic.records}
        for (_, request_id), sums in list(differing().items())[:20]:
            print(sums, json.dumps(of.get(request_id)))
    assert sum(ours.values()) > 0


def test_no_answer_is_without_its_price(traffic: Traffic) -> None:
    answered = [record for record in traffic.records if record["outcome"]["status"] == "ok"]
    unpriced = [record for record in answered if record["cost"]["total"] is None]
    assert not unpriced, unpriced[:5]


def test_the_metrics_count_what_the_records_say(traffic: Traffic) -> None:
    records = traffic.records
    assert traffic.metric("tier_router_requests_total") == len(records)
    by = {record["request_id"]: "cache" if record["cache"]["status"] == "hit" else record["tier"] for record in records}
    for tier in (*TIERS, "cache"):
        for status in ("ok", "error", "unknown"):
            counted = traffic.metric("tier_router_requests_total", tier=tier, status=status)
            told = sum((by[r["request_id"]], r["outcome"]["status"]) == (tier, status) for r in records)
            assert counted == told, (tier, status)
        of_tier = [record for record in records if by[record["request_id"]] == tier]
        assert traffic.metric("tier_router_cost_usd_total", tier=tier) == cents(dollars(of_tier))
    priced = [record for record in records if record["cost"]["total"] is not None]
    parts = {part: traffic.metric("tier_router_cost_parts_usd_total", part=part) for part in PARTS}
    assert parts == {part: cents(dollars(priced, part)) for part in PARTS}
    assert {part for part, paid in parts.items() if paid} >= {"first_attempt", "escalation", "embedding"}
    for status in ("hit", "miss", "bypass"):
        counted = traffic.metric("tier_router_cache_requests_total", status=status)
        assert counted == sum(record["cache"]["status"] == status for record in records), status
    escalated = sum(record["gate"]["escalated_to"] is not None for record in records)
    assert traffic.metric("tier_router_gate_escalations_total") == escalated > 0
    baseline = traffic.metric("tier_router_frontier_baseline_usd_total")
    assert baseline == cents(dollars(records, "frontier_baseline"))
    saved = traffic.metric("tier_router_saved_usd_total") - traffic.metric("tier_router_lost_usd_total")
    assert saved == cents(dollars(records, "saved"))


def compare(report: dict[str, Any], records: list[dict[str, Any]]) -> None:
    """A report against the records that it is of."""
    statuses = Counter(record["outcome"]["status"] for record in records)
    assert (report["requests"], report["errors"], report["unknown"]) == (
        len(records), statuses["error"], statuses["unknown"],
    )  # fmt: skip
    for part in ("total", *PARTS, "classifier", "frontier_baseline", "saved"):
        assert report["cost"][part] == cents(dollars(records, part)), part
    hits = Counter(record["cache"]["status"] for record in records)
    assert {status: report["cache"][status] for status in ("hit", "miss", "bypass")} == {
        status: hits[status] for status in ("hit", "miss", "bypass")
    }
    escalated = sum(record["gate"]["escalated_to"] is not None for record in records)
    assert report["escalation"]["escalated"] == escalated
    assert report["causes"] == Counter(cause for record in records for cause in record["causes"])
    by_key = {row["name"]: row for row in report["by"]["key"]}
    for alias in {record["tenant"]["key_alias"] for record in records} - {None}:
        of_key = [record for record in records if record["tenant"]["key_alias"] == alias]
        assert (by_key[alias]["requests"], by_key[alias]["cost"]) == (len(of_key), cents(dollars(of_key)))


def test_the_report_and_the_console_add_up_the_records(traffic: Traffic) -> None:
    told = run("report", "--since", "1d", "--records", traffic.proxy.stack.records, "--json")
    assert told.exit_code == 0, told.output
    compare(json.loads(told.stdout), traffic.records)
    shown = traffic.proxy.http.get("/router/api/overview", params={"since": "24h"}, timeout=120).raise_for_status()
    compare(shown.json(), traffic.records)


def test_the_bill_adds_up_the_records_by_key(traffic: Traffic) -> None:
    month = f"{datetime.now(UTC):%Y-%m}"
    told = run("bill", "--month", month, "--records", traffic.proxy.stack.records, "--format", "csv")
    assert told.exit_code == 0, told.output
    lines = list(csv.DictReader(io.StringIO(told.stdout)))
    billed: dict[str, list[float]] = {}
    for line in lines:
        sums = billed.setdefault(line["key_hash"], [0.0, 0.0])
        sums[0] += int(line["requests"])
        sums[1] += float(line["cost_usd"])
    for key_hash in {record["tenant"]["key_hash"] for record in traffic.records} - {None}:
        of_key = [record for record in traffic.records if record["tenant"]["key_hash"] == key_hash]
        assert billed[key_hash] == [len(of_key), cents(dollars(of_key))]
