"""A Redis that dies, hangs, is full, is shared, or holds what nobody here wrote."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
import zlib
from collections.abc import AsyncIterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from custom_router.cache import codec, redis_store
from custom_router.cache.base import Answer, Selector, StoreFailed
from custom_router.cache.follower import Follower
from custom_router.cache.redis_keys import Keys
from custom_router.cache.redis_store import RedisStore
from custom_router.cache.semantic import SemanticCache
from custom_router.causes import Cause
from custom_router.classify.base import Vector
from custom_router.policy import CachePolicy
from custom_router.tiers import Tier
from tests.cache.cache_requests import ask, entry, eventually, unit
from tests.cache.redis_server import RedisServer

KEYS = Keys("tier-router")


def opened(server: RedisServer, deadline_ms: float = 2000, **settings: object) -> RedisStore:
    policy = CachePolicy.model_validate({"redis": {"url": server.url, "deadline_ms": deadline_ms}, **settings})
    assert policy.redis is not None
    return RedisStore(policy, policy.redis)


async def following(store: RedisStore) -> RedisStore:
    store.holds("")
    await eventually(lambda: store.connected)
    return store


@pytest.fixture
async def store(redis_server: RedisServer) -> AsyncIterator[RedisStore]:
    made = await following(opened(redis_server))
    yield made
    await made.close()


async def test_what_one_worker_stores_another_finds_and_an_invalidation_reaches_both(
    redis_server: RedisServer, store: RedisStore
) -> None:
    other = await following(opened(redis_server))
    stored = entry()
    await store.put(stored)
    await eventually(lambda: other.holds(stored.partition))
    assert await other.get(stored.partition, stored.id) == stored
    assert await other.drop(Selector(tenant=stored.tenant)) == 1
    assert await store.get(stored.partition, stored.id) is None
    await eventually(lambda: not store.holds(stored.partition))
    await other.close()


async def test_a_busy_worker_takes_no_quick_server_for_a_slow_one(redis_server: RedisServer, store: RedisStore) -> None:
    """Two hundred requests at once: each look-up is answered in a millisecond and seen long after its deadline."""
    stored = entry()
    await store.put(stored)
    busy = await following(opened(redis_server, deadline_ms=20))

    async def asking() -> bool:
        time.sleep(0.002)  # noqa: ASYNC251 - what else a request makes its worker do
        return await busy.get(stored.partition, stored.id) == stored

    assert all(await asyncio.gather(*(asking() for _ in range(200))))
    assert busy.stats()["breaker_open"] == 0
    await busy.close()


async def test_a_worker_knows_what_another_dropped_by_the_time_its_own_entry_is_kept(
    redis_server: RedisServer, store: RedisStore
) -> None:
    other = await following(opened(redis_server))
    selectors = [
        Selector(),
        Selector(vector=unit(1.0, 0.1), least_similarity=0.8, like="a text that stays here"),
        Selector(tenant="team:support", tier=Tier.SIMPLE, domain="hr", older_than_s=5.0),
    ]
    client: Any = Redis.from_url(redis_server.url)
    for selector in selectors:
        since, its = store.invalidations.count, other.invalidations.count
        dropping = asyncio.create_task(other.drop(selector))
        await store.put(entry())
        await dropping
        # Told before its entry was kept, or the one that dropped has found it.
        assert store.invalidations.took(entry(), since, time.time()) or (
            await store.get(entry().partition, entry().id) is None or not selector.picks(entry(), time.time())
        )
        await eventually(lambda since=since: store.invalidations.count == since + 1)
        for picked in (entry(), entry(vector=unit(0.0, 1.0)), entry(domain="hr", created=time.time() - 9)):
            assert store.invalidations.took(picked, since, time.time()) == selector.picks(picked, time.time())
        await other.put(entry("the last event"))
        assert other.invalidations.count == its + 1  # its own, once
    assert "stays here" not in str(await client.xrange(KEYS.events))
    await client.aclose()
    await other.close()


async def test_nothing_dropped_by_one_worker_is_kept_by_another_whenever_it_comes(
    redis_server: RedisServer, store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    xread = Redis.xread

    async def late(*given: Any, **named: Any) -> Any:
        found = await xread(*given, **named)
        await asyncio.sleep(0.02)
        return found

    monkeypatch.setattr(Redis, "xread", late)
    other = await following(opened(redis_server))
    cache = SemanticCache(store, encode, CachePolicy())
    for round_ in range(50):
        request, since = ask(f"What is {round_} squared?"), store.invalidations.count
        dropping = asyncio.create_task(other.drop(Selector()))
        await asyncio.sleep(round_ * 0.0001)
        await cache.store(request, entry().answer, unit(1.0), since=since)
        await dropping
        await eventually(lambda since=since: store.invalidations.count > since)
        assert await store.get(request.partition, request.entry_id) is None
        assert await other.find(Selector(), 10) == []
    await other.close()


async def encode(text: str) -> Vector:
    return unit(1.0)


async def test_what_may_have_been_dropped_unheard_is_not_kept(redis_server: RedisServer, store: RedisStore) -> None:
    """While the follower is away, and by an invalidation that it cannot read."""
    since = store.invalidations.count
    redis_server.kill()
    await eventually(lambda: not store.connected)
    redis_server.start()
    await eventually(lambda: store.connected)
    assert store.invalidations.took(entry(), since, time.time())
    client: Any = Redis.from_url(redis_server.url)
    for event in (
        {codec.PICKS: b"no JSON"},
        {codec.PICKS: b'{"colour": "red"}'},
        {codec.PICKS: b"{}", codec.NEAR: b"1"},
    ):
        since = store.invalidations.count
        await client.xadd(KEYS.events, event)
        await eventually(lambda since=since: store.invalidations.count == since + 1)
        assert store.invalidations.took(entry(), since, time.time())
    await client.aclose()


def test_every_condition_of_an_invalidation_reaches_the_other_workers() -> None:
    selector = Selector("a" * 64, "team:a", 1.0, Tier.SIMPLE, "hr", "m", "1", "v", "stays here", 0.5, unit(1.0))
    assert all(getattr(selector, each.name) is not None for each in fields(selector))
    found = codec.unpacked_selector(codec.packed_selector(selector))
    assert found == replace(selector, like=None)
    assert found.vector is not None
    assert found.vector.tolist() == unit(1.0).tolist()


async def test_an_entry_whose_fate_is_not_known_is_removed(
    redis_server: RedisServer, store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_store, "SETTLED_S", 0.2)
    await store._follower.close()  # deaf: it starts anew only where a call finds it ended
    monkeypatch.setattr(store._follower, "start", lambda: None)
    with pytest.raises(StoreFailed) as failed:
        await store.put(entry())
    assert failed.value.cause is Cause.CACHE_TIMEOUT
    assert await store.get(entry().partition, entry().id) is None


async def test_a_worker_that_comes_later_reads_what_is_there(redis_server: RedisServer, store: RedisStore) -> None:
    stored = entry()
    await store.put(stored)
    late = await following(opened(redis_server))
    assert late.holds(stored.partition)
    await late.close()


async def test_another_process_sees_the_entry(redis_server: RedisServer, store: RedisStore) -> None:
    stored = entry()
    await store.put(stored)
    code = (
        "import asyncio, sys\n"
        "from custom_router.cache.redis_store import RedisStore\n"
        "from custom_router.policy import CachePolicy\n"
        "async def main():\n"
        "    p = CachePolicy.model_validate({'redis': {'url': sys.argv[1], 'deadline_ms': 5000}})\n"
        "    s = RedisStore(p, p.redis)\n"
        "    while not s.holds(sys.argv[2]): await asyncio.sleep(0.01)\n"
        "    print((await s.get(sys.argv[2], sys.argv[3])).answer.payload.decode())\n"
        "    await s.close()\n"
        "asyncio.run(main())\n"
    )
    command = [sys.executable, "-c", code, redis_server.url, stored.partition, stored.id]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=120, env=dict(os.environ), check=False
    )
    assert done.stdout.strip() == '"an answer"', done.stderr


async def test_after_a_kill_and_a_restart_it_works_again(redis_server: RedisServer, store: RedisStore) -> None:
    stored = entry()
    await store.put(stored)
    await eventually(lambda: store.holds(stored.partition))
    redis_server.kill()
    with pytest.raises(StoreFailed) as failed:
        await store.get(stored.partition, stored.id)
    assert failed.value.cause in (Cause.CACHE_UNAVAILABLE, Cause.CACHE_TIMEOUT)
    causes = []
    for _ in range(20):
        with pytest.raises(StoreFailed) as failed:
            await store.get(stored.partition, stored.id)
        causes.append(failed.value.cause)
    assert Cause.CACHE_BREAKER_OPEN in causes
    redis_server.start()
    # Nothing survived, and the mirror learns it by itself.
    await eventually(lambda: store.connected and not store.holds(stored.partition))

    async def stores_again() -> bool:
        try:
            await store.put(stored)
            return await store.get(stored.partition, stored.id) == stored
        except StoreFailed:
            return False

    await eventually(stores_again)
    await eventually(lambda: store.holds(stored.partition))


async def test_a_server_that_hangs_costs_its_deadline_and_no_more(redis_server: RedisServer) -> None:
    store = await following(opened(redis_server, deadline_ms=50))
    redis_server.hang()
    causes = []
    for _ in range(12):
        try:
            await store.get(entry().partition, entry().id)
        except StoreFailed as failure:
            causes.append(failure.cause)
    assert causes[0] is Cause.CACHE_TIMEOUT
    assert set(causes) == {Cause.CACHE_TIMEOUT, Cause.CACHE_BREAKER_OPEN}
    redis_server.go_on()

    async def answers() -> bool:
        try:
            return await store.get(entry().partition, entry().id) is None
        except StoreFailed:
            return False

    await eventually(answers)
    await store.close()


async def test_a_full_server_refuses_what_is_new_and_still_serves(tmp_path: Path, vector_sets: bool) -> None:
    server = RedisServer(tmp_path, "--maxmemory", "3mb", "--maxmemory-policy", "noeviction", vector_sets=vector_sets)
    store = await following(opened(server, answer_kb=1024))
    first = entry("first")
    await store.put(first)
    causes, refused = [], []
    for number in range(60):
        big = entry(f"big {number}", answer=Answer(os.urandom(100_000), "m", Tier.SIMPLE))
        try:
            await store.put(big)
        except StoreFailed as failure:
            causes.append(failure.cause)
            refused.append(big)
    assert causes[0] is Cause.CACHE_UNAVAILABLE
    assert set(causes) == {Cause.CACHE_UNAVAILABLE, Cause.CACHE_BREAKER_OPEN}
    assert await store.get(first.partition, first.id) == first
    assert [big for big in refused if await store.get(big.partition, big.id)] == []
    assert await store.drop(Selector()) > 1
    assert await store.find(Selector(), 100) == []
    await store.close()
    server.close()


async def test_what_was_dropped_before_a_worker_reached_the_server_reaches_its_answers(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Follower, "RETRY_S", 2.0)
    redis_server.kill()
    late = opened(redis_server)
    since = late.invalidations.count
    late.holds("")  # it begins to follow, in vain
    await asyncio.sleep(0.5)
    redis_server.start()
    monkeypatch.setattr(Follower, "RETRY_S", 0.1)
    other = await following(opened(redis_server))
    await other.drop(Selector())
    under_way = entry()
    await late.put(under_way)
    assert late.invalidations.took(under_way, since, time.time())
    await late.close()
    await other.close()


async def test_the_stream_of_changes_says_no_question(redis_server: RedisServer, store: RedisStore) -> None:
    """It outlives the entries: what was erased would be read in it for long."""
    secret = "What does the strictly confidential memorandum say?"
    await store.put(entry(secret))
    assert await store.drop(Selector()) == 1
    client: Any = Redis.from_url(redis_server.url)
    told = await client.xrange(KEYS.events)
    assert list(told[0][1]) == [b"id"]
    assert b"confidential" not in repr(told).encode()
    assert await client.keys(KEYS.entry("*")) == []
    await client.aclose()


async def test_a_worker_that_missed_changes_reads_everything_anew(redis_server: RedisServer) -> None:
    store = opened(redis_server)
    await following(store)
    client: Any = Redis.from_url(redis_server.url)
    other = await following(opened(redis_server))
    stored = [entry(f"q{number}", partition=f"p{number}") for number in range(3)]
    for one in stored:
        await other.put(one)
    await eventually(lambda: all(store.holds(one.partition) for one in stored))
    resyncs, invalidations = store.stats()["resyncs"], store.invalidations.count
    # As many changes as make a worker fall behind, all at once, and the first of them trimmed away.
    pipe = client.pipeline(transaction=True)
    for number in range(1_000):
        pipe.xadd(KEYS.events, {b"gone": b"%064x" % number})
    pipe.xtrim(KEYS.events, maxlen=500, approximate=False)
    await pipe.execute()
    await eventually(lambda: store.stats()["resyncs"] > resyncs)
    assert store.invalidations.count > invalidations, "some of what it missed may have been invalidations"
    await eventually(lambda: store.connected and all(store.holds(one.partition) for one in stored))
    await store.close()
    await other.close()
    await client.aclose()


async def test_a_server_full_of_other_things_can_be_emptied(redis_server: RedisServer, store: RedisStore) -> None:
    stored = [entry(f"q{number}") for number in range(20)]
    for one in stored:
        await store.put(one)
    other = await following(opened(redis_server))
    client: Any = Redis.from_url(redis_server.url)
    await client.config_set("maxmemory", 1)  # every write that may take memory is refused
    with pytest.raises(StoreFailed, match="maxmemory"):  # nobody could be told of the answers under way
        await store.drop(Selector())
    assert await client.keys(KEYS.entry("*")) == []
    assert [await other.get(one.partition, one.id) for one in stored] == [None] * 20
    before = other.invalidations.count
    dropping = asyncio.create_task(store.drop(Selector()))
    await asyncio.sleep(0.2)
    await client.config_set("maxmemory", 0)  # somebody makes room
    assert await dropping == 0
    await eventually(lambda: other.invalidations.count == before + 1)
    await other.close()
    await client.aclose()


async def test_a_write_that_the_server_breaks_off_leaves_nothing(redis_server: RedisServer, store: RedisStore) -> None:
    """The word of an entry is refused, as by a server that fills up in between: a drop may miss the entry."""
    client: Any = Redis.from_url(redis_server.url)
    await client.delete(KEYS.events)
    await client.set(KEYS.events, "no stream")
    stored = entry()
    with pytest.raises(StoreFailed, match="WRONGTYPE"):
        await store.put(stored)
    assert await client.keys(KEYS.entry("*")) == []
    await client.delete(KEYS.events)
    await client.aclose()


BOMB = zlib.compress(b"a" * (codec.PAYLOAD_LIMIT + 1), 9)


@pytest.mark.parametrize(
    "change",
    [
        {codec.HEAD: b"\x80\x04\x95cbuiltins\neval\n"},
        {codec.HEAD: b"{}"},
        {codec.HEAD: b"[" * 5000},
        {codec.ANSWER: b"not zlib"},
        {codec.ANSWER: BOMB},
        {codec.ANSWER: zlib.compress(b'"cut"')[:-2]},
    ],
)
async def test_foreign_bytes_are_a_miss(
    redis_server: RedisServer, store: RedisStore, change: dict[bytes, bytes]
) -> None:
    stored = entry()
    await store.put(stored)
    client: Any = Redis.from_url(redis_server.url)
    await client.hset(KEYS.entry(stored.id), mapping=change)
    assert await store.get(stored.partition, stored.id) is None
    await client.set(KEYS.entry("f" * 64), b"a string, not a hash")
    await client.xadd(KEYS.events, {codec.HEAD: b"\xff", codec.VECTOR: b"123"})
    await client.xadd(KEYS.events, {b"gone": b"\xff\xff"})
    good = entry("good", partition="other")
    await store.put(good)
    await eventually(lambda: store.holds(good.partition))  # the follower went past all of it
    assert {found.text for found in await store.find(Selector(), 10)} <= {"good", "q"}
    late = await following(opened(redis_server))
    assert late.holds(good.partition)
    await late.close()
    await client.aclose()


async def test_an_entry_put_under_another_ones_name_is_not_served(redis_server: RedisServer, store: RedisStore) -> None:
    mine, theirs = entry("mine"), entry("theirs", partition="victim", tenant="team:victim")
    client: Any = Redis.from_url(redis_server.url)
    await client.hset(KEYS.entry(mine.id), mapping=codec.packed(theirs))
    assert await store.get(mine.partition, mine.id) is None
    await client.aclose()


async def test_a_vector_of_another_length_is_passed_over(redis_server: RedisServer, store: RedisStore) -> None:
    await store.put(entry("a"))
    await eventually(lambda: store.holds(entry().partition))
    await store.put(entry("b", vector=unit(1.0, dimension=16)))
    await store.put(entry("c", partition="later"))
    await eventually(lambda: store.holds(entry(partition="later").partition))
    assert [near.text for near in await store.nearest(entry().partition, unit(1.0), 4)] == ["a"]
    assert list(await store.nearest(entry().partition, unit(1.0, dimension=16), 4)) == []


async def test_a_password_and_its_absence(tmp_path: Path, vector_sets: bool) -> None:
    server = RedisServer(tmp_path, "--requirepass", "s3cret", vector_sets=vector_sets)
    with pytest.raises(StoreFailed) as failed:
        await opened(server).get(entry().partition, entry().id)
    assert failed.value.cause is Cause.CACHE_UNAVAILABLE
    policy = CachePolicy.model_validate({"redis": {"url": server.url.replace("//", "//:s3cret@"), "deadline_ms": 2000}})
    assert policy.redis is not None
    store = await following(RedisStore(policy, policy.redis))
    await store.put(entry())
    assert await store.get(entry().partition, entry().id) is not None
    await store.close()
    server.close()


async def test_concurrent_writers_of_one_question_leave_one_whole_entry(
    redis_server: RedisServer, store: RedisStore
) -> None:
    other = await following(opened(redis_server))
    written = [entry(answer=Answer(b'"%d"' % number * 500, f"m{number}", Tier.SIMPLE)) for number in range(20)]
    await asyncio.gather(*((store, other)[i % 2].put(one) for i, one in enumerate(written)))
    found = await store.get(written[0].partition, written[0].id)
    assert found is not None
    assert (found.answer.payload, found.answer.model) in {(w.answer.payload, w.answer.model) for w in written}
    await other.close()
