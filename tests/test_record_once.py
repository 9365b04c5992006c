"""A gated request's record is written exactly once, whatever the order in which its parts end."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest

from custom_router.decision import NO_LIMITS
from custom_router.encoder.fake import FakeEncoder
from custom_router.engine import RouterEngine
from custom_router.lifecycle import Arrival, Bill, Ending
from custom_router.policy import Caller
from custom_router.records.record import Tenant, TokenFields
from custom_router.records.sinks import MemorySink
from custom_router.request import RequestView
from custom_router.runtime import Runtime

POLICY = """\
tiers:
  simple: {model: g-simple, threshold: 0.6}
  medium: {model: g-medium, threshold: 0.6}
  frontier: {model: g-frontier}
classifier: {kind: constant, constant: 0.9}
"""
VIEW = RequestView.from_chat({"messages": [{"role": "user", "content": "hello"}]})


@pytest.mark.parametrize("order", list(itertools.permutations(["ended", "answer billed", "check billed", "closed"])))
async def test_once_and_with_everything_in_it(tmp_path: Path, order: tuple[str, ...]) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    sink = MemorySink()
    engine = RouterEngine(path, load_encoder=FakeEncoder)
    runtime = Runtime(engine, sink)
    try:
        arrival = Arrival("auto", Tenant(), "call", "scope", time.perf_counter())
        token, pending, _ = await runtime.begin(VIEW, Caller(), arrival, NO_LIMITS)
        assert pending.ticket is not None
        pending.ticket.unbilled, pending.ticket.replaced = 2, True
        events = {
            "ended": lambda: runtime.end(
                token, Ending("ok", tokens=TokenFields(10, 5), cost=0.001, alternatives={"frontier": 15e-4})
            ),
            "answer billed": lambda: runtime.billed(token, Bill(True, 0.01, TokenFields(10, 20), {"frontier": 30e-4})),
            "check billed": lambda: runtime.billed(token, Bill(False, 0.0001, TokenFields(12, 1))),
            "closed": lambda: runtime.gate_closed(token),
        }
        for event in order[:-1]:
            assert events[event]() is None
            assert sink.records == []
        assert events[order[-1]]() is sink.records[0]
        for event in order:
            events[event]()
        assert len(sink.records) == 1
        cost = sink.records[0].cost
        assert (cost.first_attempt, cost.escalation, cost.classifier) == (0.001, 0.01, 0.0001)
        assert cost.total == pytest.approx(0.0111)
        assert sink.records[0].tokens == TokenFields(10, 20), "of the delivered answer"
        assert cost.frontier_baseline == pytest.approx(0.003)
    finally:
        engine.close()


@pytest.mark.parametrize(
    ("bill", "priced"),
    [
        (Bill(True, None, TokenFields(10, 20), {"frontier": 0.05}), False),
        (Bill(False, None, TokenFields(12, 1)), False),
        (Bill(True), True),  # it broke, and nothing was billed
    ],
)
async def test_what_the_gate_paid_and_has_no_price_leaves_the_total_unknown(
    tmp_path: Path, bill: Bill, priced: bool
) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    engine = RouterEngine(path, load_encoder=FakeEncoder)
    runtime = Runtime(engine, MemorySink())
    try:
        arrival = Arrival("auto", Tenant(), "call", "scope", time.perf_counter())
        token, pending, _ = await runtime.begin(VIEW, Caller(), arrival, NO_LIMITS)
        assert pending.ticket is not None
        pending.ticket.unbilled = 1
        runtime.billed(token, bill)
        runtime.gate_closed(token)
        record = runtime.end(
            token, Ending("ok", tokens=TokenFields(10, 5), cost=0.001, alternatives={"frontier": 0.05})
        )
        assert record is not None
        assert (record.cost.total is not None, record.cost.saved is not None) == (priced, priced)
        assert record.cost.first_attempt == 0.001
    finally:
        engine.close()


async def test_a_request_that_failed_does_not_wait_for_the_gate(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    sink = MemorySink()
    engine = RouterEngine(path, load_encoder=FakeEncoder)
    runtime = Runtime(engine, sink)
    try:
        arrival = Arrival("auto", Tenant(), "call", "scope", time.perf_counter())
        token, _, _ = await runtime.begin(VIEW, Caller(), arrival, NO_LIMITS)
        assert runtime.end(token, Ending("error", error="Timeout")) is sink.records[0]
        assert runtime.gate_closed(token) is None
    finally:
        engine.close()
