"""Finance and legal requests on held-out rows: none is ever given to a cheap tier, none pays for a gate.

The rows are those the domain model was not fitted on: prompts written for the project and, where the evaluation data
lies beside the checkout or `ROUTER_DATA` names its folder, those of the public sets.
"""

from __future__ import annotations

import asyncio
import os
import random
import warnings
from pathlib import Path

import httpx

from custom_router import RequestView, RouterEngine
from custom_router.learn.domain_rows import NAMES, Row, read_rows, seed_rows
from tests.e2e.conftest import ROOT, Proxy, wait_until

DATA = Path(os.environ.get("ROUTER_DATA", ROOT.parent / "shared" / "data"))
SENT = 240


def held_out_rows() -> list[Row]:
    """At most `SENT` held-out finance and legal rows, drawn evenly from their sources."""
    try:
        rows = read_rows(DATA)
    except FileNotFoundError as error:
        warnings.warn(f"only the project's own prompts are tested: {error}", stacklevel=1)
        rows = seed_rows()
    by_source: dict[str, list[Row]] = {}
    for row in rows:
        if row.held_out and row.domain in NAMES:
            by_source.setdefault(row.source, []).append(row)
    draw = random.Random(11)
    each = max(1, SENT // len(by_source))
    return [row for held in by_source.values() for row in draw.sample(held, min(each, len(held)))]


def recognised(rows: list[Row]) -> list[Row]:
    """Those that the engine, alone, recognises."""
    engine = RouterEngine.from_policy(ROOT / "routing_policy.yaml")
    try:
        views = [RequestView.from_chat({"messages": [{"role": "user", "content": row.text}]}) for row in rows]
        decisions = asyncio.run(engine.decide_many(views))
    finally:
        engine.close()
    return [row for row, decision in zip(rows, decisions, strict=True) if decision.domain is not None]


async def send(proxy: Proxy, rows: list[Row]) -> list[str]:
    """Each row, every second one streamed; the ids of the requests."""
    limit = asyncio.Semaphore(4)
    headers = {"Authorization": f"Bearer {proxy.stack.master_key}"}
    async with httpx.AsyncClient(base_url=proxy.stack.url, headers=headers, timeout=60, trust_env=False) as http:

        async def one(number: int, row: Row) -> str:
            body = {"model": "auto", "messages": [{"role": "user", "content": row.text}], "stream": bool(number % 2)}
            async with limit:
                response = await http.post("/v1/chat/completions", json=body)
            assert response.status_code == 200, response.text
            return response.headers["x-router-request-id"]

        return await asyncio.gather(*(one(number, row) for number, row in enumerate(rows)))


def test_held_out_finance_and_legal_rows_meet_no_cheap_tier_and_pay_for_no_gate(fresh: Proxy) -> None:
    rows = held_out_rows()
    known = recognised(rows)
    assert len(known) >= 0.8 * len(rows)
    ids = set(asyncio.run(send(fresh, known)))
    assert len(ids) == len(known)
    wait_until(lambda: ids <= {record["request_id"] for record in fresh.records()})
    records = [record for record in fresh.records() if record["request_id"] in ids]
    assert len(records) == len(known)
    for record in records:
        assert (record["tier"], record["decided_tier"]) == ("frontier", "frontier")
        assert record["domain"]["name"] in NAMES
        assert (record["gate"]["mode"], record["gate"]["verdict"]) == ("off", "bypass")
        assert record["gate"]["escalated_to"] is None
        assert record["cost"]["escalation"] == record["cost"]["classifier"] == 0.0
    providers = fresh.simulator.get("/_sim/log").json()["providers"]
    asked = {model: count for seen in providers.values() for model, count in seen["models"].items()}
    assert asked == {"claude-opus-5-5": len(known)}
