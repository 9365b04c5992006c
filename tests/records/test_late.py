"""Finished records wait for a late opinion, for as long as it is under way and no longer."""

from __future__ import annotations

import asyncio

from custom_router.causes import Cause
from custom_router.classify.opinion import Opinion, Rating
from custom_router.records.cost import cost_of
from custom_router.records.late import LateRecords
from custom_router.records.pending import Pending
from custom_router.records.record import DecisionRecord, Tenant
from custom_router.tiers import Tier


def pending(name: str, opinion: Opinion | None) -> Pending:
    record = DecisionRecord(name, "", "", "auto", "chat", False, Tenant())
    return Pending(record, 0.0, {}, {}, opinion=opinion)


async def test_a_record_is_written_when_its_opinion_has_come() -> None:
    written: list[DecisionRecord] = []
    late = LateRecords(written.append)
    answer = asyncio.Event()
    opinion = Opinion(failure=Cause.VLLM_TIMEOUT)

    async def think() -> None:
        await answer.wait()
        opinion.rating = Rating({Tier.SIMPLE: 1.5, Tier.MEDIUM: 1.5})
        opinion.ms = 90.0
        opinion.usd = 0.25

    opinion.task = asyncio.ensure_future(think())
    asked = pending("asked", opinion)
    asked.record.cost = cost_of(1.0, {"frontier": 3.0})
    late.put(asked)
    late.put(pending("not asked", None))
    late.put(pending("refused", Opinion(failure=Cause.VLLM_BUSY)))
    assert [r.request_id for r in written] == ["not asked", "refused"]
    answer.set()
    await opinion.task
    await asyncio.sleep(0)
    assert written[-1].request_id == "asked"
    fields = written[-1].scores.vllm
    assert (fields.log_odds, fields.ms, fields.heard) == ({"simple": 1.5, "medium": 1.5}, 90.0, False)
    assert fields.failure == "vllm_timeout"
    cost = written[-1].cost
    assert (cost.vllm, cost.classifier, cost.total, cost.saved) == (0.25, 0.25, 1.25, 1.75), "a late answer costs too"
    assert written[0].scores.vllm.heard is None
    assert written[1].scores.vllm.failure == "vllm_busy"


async def test_at_shutdown_each_is_written_once() -> None:
    written: list[DecisionRecord] = []
    late = LateRecords(written.append)
    opinion = Opinion(failure=Cause.VLLM_TIMEOUT)
    opinion.task = asyncio.ensure_future(asyncio.sleep(3600))
    late.put(pending("asked", opinion))
    late.drain()
    opinion.task.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [r.request_id for r in written] == ["asked"]
