"""What every store does, on the one in memory and on a real Redis, without vector sets and with them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from custom_router.cache.base import CacheStore, Selector
from custom_router.cache.key import hashed
from custom_router.cache.memory import MemoryStore
from custom_router.cache.redis_store import RedisStore
from custom_router.policy import CachePolicy
from custom_router.tiers import Tier
from tests.cache.cache_requests import entry, eventually, unit
from tests.cache.redis_server import RedisServer

DEADLINE_MS = 2000


@pytest.fixture(params=["memory", "redis", "vector_sets"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[CacheStore]:
    if request.param == "memory":
        yield MemoryStore(entries=6, entries_per_tenant=4)
        return
    server = RedisServer(tmp_path, vector_sets=request.param == "vector_sets")
    opened = redis_store(server, entries=6, entries_per_tenant=4)
    opened.holds("")
    await eventually(lambda: opened.connected)
    assert opened.stats()["vector_sets"] == (request.param == "vector_sets")
    yield opened
    await opened.close()
    server.close()


def redis_store(server: RedisServer, **settings: object) -> RedisStore:
    policy = CachePolicy.model_validate({"redis": {"url": server.url, "deadline_ms": DEADLINE_MS}, **settings})
    assert policy.redis is not None
    return RedisStore(policy, policy.redis)


async def test_an_entry_comes_back_as_it_was_stored(store: CacheStore) -> None:
    stored = entry(domain="support", answer=replace(entry().answer, payload='"Zürich ✓"'.encode() * 100))
    await store.put(stored)
    assert await store.get(stored.partition, stored.id) == stored


async def test_an_entry_is_found_in_its_own_partition_only(store: CacheStore) -> None:
    stored = entry(partition="one")
    await store.put(stored)
    await eventually(lambda: store.holds(stored.partition))
    other = hashed("two")
    assert await store.get(other, stored.id) is None
    assert not store.holds(other)
    assert list(await store.nearest(other, unit(1.0), 4)) == []
    assert [near.id for near in await store.nearest(stored.partition, unit(1.0), 4)] == [stored.id]


async def test_the_nearest_come_first(store: CacheStore) -> None:
    vectors = {"same": unit(1.0), "near": unit(1.0, 0.2), "far": unit(0.0, 1.0)}
    for text, vector in vectors.items():
        await store.put(entry(text, vector=vector))
    partition = hashed("p")
    await eventually(lambda: store.holds(partition))

    async def texts() -> list[str]:
        return [near.text for near in await store.nearest(partition, unit(1.0), 2)]

    await eventually(lambda: has(store, partition, 3))
    assert await texts() == ["same", "near"]


async def has(store: CacheStore, partition: str, count: int) -> bool:
    return len(await store.nearest(partition, unit(1.0), 100)) == count


async def test_what_has_expired_is_gone(store: CacheStore) -> None:
    stored = entry(ttl_s=0.05)
    await store.put(stored)

    async def gone() -> bool:
        return await store.get(stored.partition, stored.id) is None

    await eventually(gone)


async def test_a_tenant_cannot_crowd_out_another(store: CacheStore) -> None:
    kept = entry("kept", tenant="team:quiet", ttl_s=1800.0)
    await store.put(kept)
    for number in range(9):
        await store.put(entry(f"flood {number}", tenant="team:loud"))
    assert await store.get(kept.partition, kept.id) is not None
    assert len(await store.find(Selector(tenant="team:loud"), 100)) == 4


async def test_the_whole_is_bounded(store: CacheStore) -> None:
    for number in range(9):
        await store.put(entry(f"q{number}", tenant=f"team:{number}"))
    assert len(await store.find(Selector(), 100)) == 6


@pytest.mark.parametrize(
    ("selector", "left"),
    [
        (Selector(), set()),
        (Selector(tenant="team:a"), {"b"}),
        (Selector(tier=Tier.FRONTIER), {"a"}),
        (Selector(domain="support"), {"b"}),
        (Selector(policy_version="old"), {"b"}),
        (Selector(namespace="2"), {"a"}),
        (Selector(older_than_s=100.0), {"b"}),
        (Selector(model="dear"), {"a"}),
        (Selector(vector=unit(1.0), least_similarity=0.9), {"b"}),
        (Selector(tenant="team:a", domain="other"), {"a", "b"}),
    ],
)
async def test_invalidation_takes_what_every_condition_picks(
    store: CacheStore, selector: Selector, left: set[str]
) -> None:
    a = entry(
        "a", tenant="team:a", domain="support", policy_version="old", created=time.time() - 200, vector=unit(1.0, 0.1)
    )
    b = entry("b", tenant="team:b", namespace="2", vector=unit(0.0, 1.0))
    b = replace(b, answer=replace(b.answer, tier=Tier.FRONTIER, model="dear"))
    await store.put(a)
    await store.put(b)
    assert await store.drop(selector) == 2 - len(left)
    assert {found.text for found in await store.find(Selector(), 10)} == left
    for one in (a, b):
        assert (await store.get(one.partition, one.id) is not None) == (one.text in left)


async def test_a_listing_goes_on_where_it_ended(store: CacheStore) -> None:
    now = time.time()
    kept = [entry(f"q{number}", tenant=f"team:{number}", created=now - number // 2) for number in range(5)]
    for one in kept:
        await store.put(one)
    listed, after = list[str](), None
    while page := await store.find(Selector(), 2, after):
        listed += [found.id for found in page]
        after = (page[-1].created, page[-1].id)
    assert listed == [one.id for one in sorted(kept, key=lambda one: (-one.created, one.id))]


async def test_one_entry_is_dropped_by_its_id(store: CacheStore) -> None:
    await store.put(entry("a"))
    await store.put(entry("b"))
    assert await store.drop(Selector(entry_id=entry("a").id)) == 1
    assert [found.text for found in await store.find(Selector(), 10)] == ["b"]


async def test_an_entry_without_a_vector_is_found_by_its_id_only(store: CacheStore) -> None:
    stored = replace(entry(), vector=None, text=None)
    await store.put(stored)
    assert await store.get(stored.partition, stored.id) == stored
    assert not store.holds(stored.partition)
