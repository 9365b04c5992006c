"""The cache at work: lookups, what is kept and when, single flight, and failures that cost nothing but a hit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from custom_router.cache.base import Entry, StoreFailed
from custom_router.cache.key import CacheTenant
from custom_router.cache.memory import MemoryStore
from custom_router.caching import MAX_UNDER_WAY
from custom_router.causes import Cause
from custom_router.confidence.base import Answer
from custom_router.decision import NO_LIMITS
from custom_router.encoder.fake import FakeEncoder
from custom_router.engine import RouterEngine
from custom_router.lifecycle import Arrival, Ending, Served
from custom_router.policy import Caller
from custom_router.question import Question
from custom_router.records.pending import Pending
from custom_router.records.record import DecisionRecord, Tenant, TokenFields
from custom_router.records.sinks import MemorySink
from custom_router.request import RequestView
from custom_router.runtime import Runtime
from custom_router.tiers import Tier

POLICY = """\
tiers:
  simple: {model: g-simple, threshold: 0.6}
  medium: {model: g-medium, threshold: 0.6}
  frontier: {model: g-frontier}
classifier: {kind: constant, constant: 0.9}
gate: {enabled: false}
cache: {semantic: false}
"""
ASKED = "How do I boil an egg?"
SAID = Answer("Eight minutes in boiling water, then into cold water.", "m", "stop")


class Broken(MemoryStore):
    """Raises what it is told to."""

    error: Exception | None = None

    async def get(self, partition: str, entry_id: str) -> Entry | None:
        if self.error is not None:
            raise self.error
        return await super().get(partition, entry_id)

    async def put(self, entry: Entry) -> None:
        if self.error is not None:
            raise self.error
        await super().put(entry)


class Desk:
    """A runtime, and requests through it."""

    def __init__(self, runtime: Runtime, store: Broken) -> None:
        self.runtime = runtime
        self.store = store

    async def begin(self, prompt: str = ASKED, caller: Caller | None = None, team: str = "t") -> tuple[str, Pending]:
        body = {"messages": [{"role": "user", "content": prompt}]}
        arrival = Arrival("auto", Tenant(team=team), None, "scope", time.perf_counter())
        question = Question(body, CacheTenant("k", team), group="g-cache", models="auto simple=m")
        token, pending, _ = await self.runtime.begin(
            RequestView.from_chat(body), caller or Caller(), arrival, NO_LIMITS, question=question
        )
        return token, pending

    def end(self, token: str, status: str = "ok", **ending: Any) -> DecisionRecord:
        tokens = TokenFields(10, 20)
        spent = {"cost": 0.5, "alternatives": {"frontier": 30.0}}
        record = self.runtime.end(token, Ending(status, tokens=tokens, **spent, **ending))
        assert record is not None
        return record

    async def keep(self, **options: Any) -> str:
        """One request to its end, its answer stored; its token."""
        token, pending = await self.begin(**options)
        assert pending.record.cache.status == "miss"
        self.runtime.caching.answered(token, SAID)
        self.end(token)
        await self.settled()
        return token

    async def settled(self) -> None:
        """Until nothing is being stored."""
        await self.runtime.caching.drained()

    def edit(self, text: str) -> None:
        """Save a policy text over the one in force, and have it looked at."""
        Path(self.runtime.engine.watcher.status.source).write_text(text)
        self.runtime.engine.watcher.check()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY)
    engine = RouterEngine(file, load_encoder=FakeEncoder)
    runtime = Runtime(engine, MemorySink())
    store = Broken(entries=100, entries_per_tenant=100)
    runtime.caching.cache.store_ = store
    yield Desk(runtime, store)
    engine.close()


async def test_the_same_text_is_found_whether_another_stage_has_loaded_the_encoder_or_not(desk: Desk) -> None:
    await desk.keep()
    desk.runtime.engine.encoder.encoder = FakeEncoder()
    assert (await desk.begin())[1].hit is not None


async def test_a_hit_gives_the_stored_answer_and_costs_nothing(desk: Desk) -> None:
    await desk.keep()
    token, pending = await desk.begin()
    assert pending.hit is not None
    assert (pending.hit.text, pending.hit.group, pending.hit.tokens) == (SAID.text, "g-cache", TokenFields(10, 20))
    assert pending.ticket is None
    assert pending.headers["x-router-cache"] == "hit"
    assert pending.headers["x-router-cache-id"] == pending.record.cache.entry_id
    record = desk.end(token)
    assert (record.tier, record.model_group) == ("simple", "g-cache")
    assert (record.cost.total, record.cost.frontier_baseline, record.cost.saved) == (0.0, 30.0, 30.0)
    assert "cache" in record.latency_ms


@pytest.mark.parametrize("first", ["answered", "ended"])
async def test_the_answer_and_the_end_may_come_in_either_order(desk: Desk, first: str) -> None:
    token, _ = await desk.begin()
    if first == "answered":
        desk.runtime.caching.answered(token, SAID)
        desk.end(token)
    else:
        desk.end(token)
        desk.runtime.caching.answered(token, SAID)
    await desk.settled()
    assert (await desk.begin())[1].hit is not None


@pytest.mark.parametrize("what", ["error", "nothing", "cut", "unanswered"])
async def test_what_is_not_kept(desk: Desk, what: str) -> None:
    token, _ = await desk.begin()
    answers = {"error": SAID, "nothing": None, "cut": replace(SAID, finish_reason="length")}
    if what in answers:
        desk.runtime.caching.answered(token, answers[what])
    desk.end(token, "error" if what == "error" else "ok")
    await desk.settled()
    assert desk.store.stats()["entries"] == 0


async def test_another_tenant_misses(desk: Desk) -> None:
    await desk.keep()
    assert (await desk.begin(team="other"))[1].hit is None


async def test_followers_wait_for_the_first_and_get_its_answer(desk: Desk) -> None:
    token, _ = await desk.begin()
    followers = [asyncio.create_task(desk.begin()) for _ in range(5)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in followers)
    desk.runtime.caching.answered(token, SAID)
    desk.end(token)
    for _, pending in await asyncio.gather(*followers):
        assert pending.hit is not None
        # Waiting is no overhead of the router's; it is told apart.
        assert pending.record.latency_ms["cache"] >= 0


@pytest.mark.parametrize("end", ["error", "dropped", "unfit"])
async def test_one_follower_goes_on_when_the_first_fails(desk: Desk, end: str) -> None:
    token, _ = await desk.begin()
    follower = asyncio.create_task(desk.begin())
    await asyncio.sleep(0)
    if end == "error":
        desk.end(token, "error")
    elif end == "dropped":
        desk.runtime.caching.answered(token, None)
    else:
        desk.runtime.caching.answered(token, replace(SAID, finish_reason="length"))
        desk.end(token)
    _, pending = await asyncio.wait_for(follower, 30)
    assert (pending.hit, pending.record.cache.status) == (None, "miss")


@pytest.mark.parametrize("end", ["dropped", "unfit"])
async def test_a_refresh_that_fails_does_not_end_the_wait_for_another(desk: Desk, end: str) -> None:
    token, _ = await desk.begin()
    follower = asyncio.create_task(desk.begin())
    await asyncio.sleep(0)
    fresh, _ = await desk.begin(caller=Caller(header_cache="refresh"))
    desk.runtime.caching.answered(fresh, None if end == "dropped" else replace(SAID, finish_reason="length"))
    desk.end(fresh)
    for _ in range(10):
        await asyncio.sleep(0)
    assert not follower.done()
    desk.runtime.caching.answered(token, SAID)
    desk.end(token)
    assert (await follower)[1].hit is not None


async def test_of_a_burst_that_may_not_have_the_stored_answer_one_goes_upstream(desk: Desk) -> None:
    await desk.keep()
    (entry,) = desk.store._entries.values()
    await desk.store.put(replace(entry, answer=replace(entry.answer, tier=Tier.FRONTIER)))
    capped = Caller(max_tier=Tier.SIMPLE)
    token, pending = await desk.begin(caller=capped)
    assert (pending.hit, pending.record.cache.guard) == (None, "tier_above_cap")
    follower = asyncio.create_task(desk.begin(caller=capped))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not follower.done()
    desk.runtime.caching.answered(token, SAID)
    desk.end(token)
    assert (await follower)[1].hit is not None


async def test_followers_of_an_answer_that_is_not_stored_go_on_together(desk: Desk) -> None:
    token, _ = await desk.begin()
    followers = [asyncio.create_task(desk.begin()) for _ in range(5)]
    await asyncio.sleep(0)
    desk.runtime.caching.answered(token, None)
    # None of them ends, so that each would wait for the one before it.
    gone_on = await asyncio.wait_for(asyncio.gather(*followers), 15)
    assert [pending.record.cache.status for _, pending in gone_on] == ["miss"] * 5


async def test_who_will_not_store_holds_up_nobody(desk: Desk) -> None:
    await desk.begin(caller=Caller(header_cache="no-store"))
    _, pending = await asyncio.wait_for(desk.begin(), 30)
    assert pending.record.cache.status == "miss"


async def test_refresh_puts_a_new_answer_in_the_old_ones_place(desk: Desk) -> None:
    await desk.keep()
    token, pending = await desk.begin(caller=Caller(header_cache="refresh"))
    assert (pending.hit, pending.record.cache.guard) == (None, "asked_refresh")
    desk.runtime.caching.answered(token, replace(SAID, text="Seven minutes are enough for an egg."))
    desk.end(token)
    await desk.settled()
    hit = (await desk.begin())[1].hit
    assert hit is not None
    assert hit.text.startswith("Seven")


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (StoreFailed(Cause.CACHE_TIMEOUT), Cause.CACHE_TIMEOUT),
        (StoreFailed(Cause.CACHE_BREAKER_OPEN), Cause.CACHE_BREAKER_OPEN),
        (RuntimeError("a defect"), Cause.CACHE_ERROR),
    ],
)
async def test_a_broken_store_costs_a_hit_and_leaves_a_cause(desk: Desk, error: Exception, cause: Cause) -> None:
    await desk.keep()
    desk.store.error = error
    token, pending = await desk.begin()
    assert pending.hit is None
    assert pending.record.causes[-1] == cause.value
    assert cause.value in pending.headers["x-router-cause"]
    desk.runtime.caching.answered(token, SAID)
    assert desk.end(token).outcome.status == "ok"
    await desk.settled()
    desk.store.error = None
    assert (await desk.begin())[1].hit is not None


async def test_an_entry_that_cannot_be_read_is_a_defect_of_the_cache_only(desk: Desk) -> None:
    await desk.keep()
    _, pending = await desk.begin()
    entry = await desk.store.get(*_place(desk, pending))
    assert entry is not None
    await desk.store.put(replace(entry, answer=replace(entry.answer, payload=b"[]")))
    _, again = await desk.begin()
    assert (again.hit, again.record.causes[-1]) == (None, "cache_error")


def _place(desk: Desk, pending: Pending) -> tuple[str, str]:
    entry_id = pending.record.cache.entry_id
    assert entry_id is not None
    return next(iter(desk.store._entries.values())).partition, entry_id


async def test_a_hit_that_cannot_be_given_falls_back_and_says_so(desk: Desk) -> None:
    await desk.keep()
    token, _ = await desk.begin()
    headers = desk.runtime.headers(token, Served("g-frontier", "d"))
    assert headers is not None
    assert (headers["x-router-tier"], headers["x-router-cache"]) == ("frontier", "miss")
    record = desk.end(token)
    assert "cache_lost" in record.causes
    assert (record.cache.status, record.cache.guard, record.cost.total) == ("miss", "lost", 0.5)


async def test_a_policy_edit_opens_another_store_only_where_it_must(desk: Desk) -> None:
    await desk.keep()
    cache = desk.runtime.caching.in_force()
    desk.edit(POLICY.replace("semantic: false", "semantic: false, ttl_minutes: 5"))
    assert desk.runtime.caching.in_force() is cache
    assert cache.policy.ttl_minutes == 5
    assert (await desk.begin())[1].hit is not None
    desk.edit(POLICY.replace("semantic: false", "semantic: false, entries: 7"))
    assert desk.runtime.caching.in_force() is not cache
    assert (await desk.begin())[1].hit is None


async def test_a_request_without_an_end_is_forgotten_in_time(desk: Desk) -> None:
    token, _ = await desk.begin()
    assert desk.runtime.caching.expected(token) is not None
    caller = Caller(header_cache="refresh")  # which waits for nobody
    for _ in range(MAX_UNDER_WAY):
        await desk.begin(caller=caller)
    assert desk.runtime.caching.expected(token) is None


@pytest.mark.parametrize("in_a_loop", [True, False])
async def test_closing_writes_the_file_with_a_loop_running_and_without(
    desk: Desk, tmp_path: Path, in_a_loop: bool
) -> None:
    file = tmp_path / "cache.bin"
    caching = desk.runtime.caching
    caching.cache.store_ = MemoryStore(entries=10, entries_per_tenant=10, file=file)
    await desk.keep()
    if in_a_loop:
        caching.close()
        await caching.drained()
    else:
        await asyncio.to_thread(caching.close)
    assert MemoryStore(entries=10, entries_per_tenant=10, file=file).stats()["entries"] == 1
