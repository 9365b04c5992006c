"""A Redis that finds the nearest itself: what its vector sets hold, what they are believed, and what breaks them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from redis.asyncio import Redis

from custom_router.cache import codec
from custom_router.cache.acceptance import Calibration
from custom_router.cache.base import Kind, Selector, Status, StoreFailed
from custom_router.cache.equivalence import Equivalence
from custom_router.cache.redis_keys import Keys
from custom_router.cache.redis_store import RedisStore
from custom_router.cache.semantic import SemanticCache
from custom_router.causes import Cause
from custom_router.classify.base import Vector
from custom_router.encoder import FakeEncoder
from custom_router.policy import CachePolicy
from tests.cache.cache_requests import ask, entry, eventually, unit
from tests.cache.redis_server import RedisServer

KEYS = Keys("tier-router")
PARTITION = entry().partition
SET = KEYS.vectors(PARTITION)
LENIENT = Equivalence(Calibration(intercept=0.0, slope=3.0, covariance=(0.0, 0.0, 0.0), z=0.0, sources=()))


@pytest.fixture
def vector_sets() -> bool:
    return True


@pytest.fixture
async def store(redis_server: RedisServer) -> AsyncIterator[RedisStore]:
    made = await following(redis_server)
    yield made
    await made.close()


@pytest.fixture
async def client(redis_server: RedisServer) -> AsyncIterator[Any]:
    made: Any = Redis.from_url(redis_server.url)
    yield made
    await made.aclose()


async def following(server: RedisServer, deadline_ms: float = 2000, user: str = "", **settings: object) -> RedisStore:
    url = server.url.replace("//", f"//{user}")
    policy = CachePolicy.model_validate({"redis": {"url": url, "deadline_ms": deadline_ms}, **settings})
    assert policy.redis is not None
    store = RedisStore(policy, policy.redis)
    store.holds("")
    await eventually(lambda: store.connected)
    return store


async def texts(store: RedisStore, partition: str = PARTITION) -> list[str]:
    return [near.text for near in await store.nearest(partition, unit(1.0), 4)]


async def elements(client: Any) -> int:
    return int(await client.execute_command("VCARD", SET) or 0)


async def test_another_worker_finds_what_it_never_held_with_the_exact_cosine(
    redis_server: RedisServer, store: RedisStore
) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((50, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    for number, vector in enumerate(vectors[1:]):
        await store.put(entry(f"q{number}", vector=vector))
    other = await following(redis_server)
    assert other.stats()["vector_sets"] == 1
    assert list(other._mirror.nearest(PARTITION, vectors[0], 4)) == [], "no vector in this process"
    found = await other.nearest(PARTITION, vectors[0], 4)
    cosines = vectors[1:] @ vectors[0]
    assert [near.text for near in found] == [f"q{number}" for number in np.argsort(-cosines)[:4]]
    assert [near.similarity for near in found] == pytest.approx(sorted(cosines)[:-5:-1], abs=1e-6)
    await other.close()


async def test_the_neighbour_brings_its_answer(store: RedisStore) -> None:
    stored = entry()
    await store.put(stored)
    (near,) = await store.nearest(PARTITION, unit(1.0), 4)
    assert near.entry == stored


async def test_a_question_that_means_the_same_is_answered(store: RedisStore) -> None:
    async def encode(text: str) -> Vector:
        vector: Vector = FakeEncoder().encode([text])[0]
        return vector

    cache = SemanticCache(store, encode, CachePolicy(), equivalence=lambda version: LENIENT)
    stored, asked = ask("How do I reset my password?"), ask("How do I reset my password please?")
    await cache.store(stored, entry().answer)
    await eventually(lambda: store.holds(stored.partition))
    found = await cache.lookup(asked)
    assert (found.kind, found.entry_id) == (Kind.SEMANTIC, stored.entry_id)
    assert found.entry is not None
    assert found.entry.answer == entry().answer
    assert await cache.invalidate(Selector(like="How do I reset my password?", least_similarity=0.8)) == 1
    assert (await cache.lookup(asked)).status is Status.MISS


async def test_expired_elements_leave_with_the_next_that_comes(store: RedisStore, client: Any) -> None:
    for number in range(5):
        await store.put(entry(f"short {number}", ttl_s=0.05))
    await store.put(entry("long", ttl_s=1000.0))

    async def alone() -> bool:
        await store.put(entry("long", ttl_s=1000.0))
        return await elements(client) == 1

    await eventually(alone)
    assert await client.zcard(KEYS.expiring(PARTITION)) == 1


async def test_the_set_outlives_its_last_entry_by_nothing(store: RedisStore, client: Any) -> None:
    await store.put(entry("a", ttl_s=1000.0))
    await store.put(entry("b", ttl_s=5000.0))
    await store.put(entry("c", ttl_s=100.0))
    for key in (SET, KEYS.expiring(PARTITION)):
        assert 1000.0 < await client.ttl(key) <= 5000.0
    await store.put(entry("d", partition="brief", ttl_s=0.05))

    async def gone() -> bool:
        return not await client.exists(KEYS.vectors(entry(partition="brief").partition))

    await eventually(gone)


async def test_what_is_dropped_or_crowded_out_leaves_the_set(redis_server: RedisServer, client: Any) -> None:
    store = await following(redis_server, entries_per_tenant=3)
    for number in range(8):
        await store.put(entry(f"q{number}", ttl_s=1000.0 + number))
    assert await elements(client) == 3
    assert await store.drop(Selector()) == 3
    assert not await client.exists(SET, KEYS.expiring(PARTITION))
    await store.close()


async def test_an_element_whose_entry_is_gone_is_taken_out_when_met(store: RedisStore, client: Any) -> None:
    await store.put(entry("gone"))
    await store.put(entry("there", vector=unit(1.0, 0.5)))
    await client.delete(KEYS.entry(entry("gone").id))
    assert await texts(store) == ["there"]
    assert await elements(client) == 1


async def test_an_element_planted_in_another_partition_is_not_believed(store: RedisStore, client: Any) -> None:
    secret = entry("secret", partition="victim", tenant="team:victim")
    await store.put(entry("mine", vector=unit(1.0, 0.5)))
    await store.put(secret)
    for name in (secret.id, "../" + secret.id, b"\xff\xfe"):
        await client.execute_command("VADD", SET, "FP32", codec.packed_vector(unit(1.0)), name, "NOQUANT")
    assert await texts(store) == ["mine"]
    assert await elements(client) == 1
    assert await texts(store, secret.partition) == ["secret"]


async def test_an_element_with_another_entrys_vector_has_that_entrys_own_cosine(store: RedisStore, client: Any) -> None:
    far = entry("far", vector=unit(0.0, 1.0))
    await store.put(far)
    await client.execute_command("VADD", SET, "FP32", codec.packed_vector(unit(1.0)), far.id, "NOQUANT")
    (near,) = await store.nearest(PARTITION, unit(1.0), 4)
    assert near.similarity == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("foreign", ["a string", "another length"])
async def test_a_set_that_is_not_ours_costs_its_partition_the_meaning_and_nothing_else(
    store: RedisStore, client: Any, foreign: str
) -> None:
    if foreign == "a string":
        await client.set(SET, b"not a vector set")
    else:
        await client.execute_command("VADD", SET, "VALUES", 3, 1, 0, 0, "x")
    stored = entry()
    for _ in range(12):
        await store.put(stored)
        assert await texts(store) == []
    assert await store.get(PARTITION, stored.id) == replace(stored, vector=None)
    assert store.stats()["breaker_open"] == 0
    other = entry("good", partition="other")
    await store.put(other)
    assert await texts(store, other.partition) == ["good"]


async def test_a_search_in_a_server_that_hangs_ends_at_its_deadline(redis_server: RedisServer) -> None:
    other = await following(redis_server)
    await other.put(entry())
    store = await following(redis_server, deadline_ms=50)
    redis_server.hang()
    causes = []
    for _ in range(12):
        with pytest.raises(StoreFailed) as failed:
            await store.nearest(PARTITION, unit(1.0), 4)
        causes.append(failed.value.cause)
    assert causes[0] is Cause.CACHE_TIMEOUT
    assert set(causes) == {Cause.CACHE_TIMEOUT, Cause.CACHE_BREAKER_OPEN}
    redis_server.go_on()

    async def found() -> bool:
        try:
            return await texts(store) == ["q"]
        except StoreFailed:
            return False

    await eventually(found)
    await store.close()
    await other.close()


async def test_a_server_of_another_version_in_its_place(redis_server: RedisServer, store: RedisStore) -> None:
    async def serves(vector_sets: bool) -> bool:
        try:
            await store.put(entry())
            told = store.stats()
            return told["vector_sets"] == vector_sets and store.connected and await texts(store) == ["q"]
        except StoreFailed:
            return False

    await eventually(lambda: serves(True))
    redis_server.become(vector_sets=False)
    await eventually(lambda: serves(False))
    redis_server.become(vector_sets=True)
    await eventually(lambda: serves(True))


@pytest.mark.parametrize("forbidden", ["-vsim", "-vrem"])
async def test_where_a_rule_forbids_them_the_mirror_serves(
    redis_server: RedisServer, client: Any, forbidden: str
) -> None:
    await client.execute_command("ACL", "SETUSER", "router", "on", ">pw", "~*", "+@all", forbidden)
    store = await following(redis_server, user="router:pw@")
    await store.put(entry())
    await eventually(lambda: store.holds(PARTITION))
    assert store.stats()["vector_sets"] == 0
    assert await texts(store) == ["q"]
    await store.close()


async def test_a_restart_empties_it_and_it_fills_again(redis_server: RedisServer, store: RedisStore) -> None:
    await store.put(entry("before"))
    redis_server.kill()
    redis_server.start()

    async def again() -> bool:
        try:
            await store.put(entry("after"))
            return await texts(store) == ["after"]
        except StoreFailed:
            return False

    await eventually(again)
