"""How long the stores take, as ratios to an exact hit in memory. Interleaved, so that load falls on all of them."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import numpy as np

from custom_router.cache.base import Answer, CacheStore, Entry, Selector
from custom_router.cache.key import entry_id, hashed
from custom_router.cache.memory import MemoryStore
from custom_router.policy.cache import CachePolicy, RedisPolicy
from custom_router.tiers import Tier

SIZES = (1_000, 10_000, 100_000)
_ROUNDS = 200
_DIMENSION = 384


@dataclass(slots=True)
class _Timed:
    store: str
    entries: int
    operation: str
    run: Callable[[], Awaitable[object]]
    taken: list[float]


async def measure(redis: str | None) -> list[list[object]]:
    """Lines of store, entries, operation, median ms and ratio. `redis` is a URL of a server to fill and empty."""
    rng = np.random.default_rng(0)
    lines: list[list[object]] = []
    for size in SIZES:
        entries = made_entries(size, rng)
        stores: dict[str, CacheStore] = {"memory": MemoryStore(entries=size, entries_per_tenant=size)}
        if redis is not None:
            from custom_router.cache.redis_store import RedisStore

            settings = RedisPolicy(url=redis, deadline_ms=2_000, prefix="tier-router-measure")
            stores["redis"] = RedisStore(CachePolicy(entries=size, entries_per_tenant=size), settings)
        timed = []
        for name, store in stores.items():
            for entry in entries:
                await store.put(entry)
            await _settled(store, entries[-1].partition, size)
            timed += [_Timed(name, size, operation, run, []) for operation, run in _operations(store, entries, rng)]
        for _ in range(_ROUNDS):
            for one in timed:
                began = time.perf_counter()
                await one.run()
                one.taken.append((time.perf_counter() - began) * 1000)
        base = statistics.median(timed[0].taken)
        for one in timed:
            median = statistics.median(one.taken)
            lines.append([one.store, f"{size:,}", one.operation, median, f"{median / base:.1f}"])
        for store in stores.values():
            await store.drop(Selector())
            await store.close()
    return lines


def made_entries(size: int, rng: np.random.Generator) -> list[Entry]:
    """Entries of one partition with random vectors and answers of half a kilobyte."""
    partition = hashed("measured")
    vectors = rng.standard_normal((size, _DIMENSION)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    payload = b'{"text": "' + b"an answer of some length " * 20 + b'"}'
    return [
        Entry(
            id=entry_id(partition, f"question {number}"),
            partition=partition,
            tenant="team:measured",
            answer=Answer(payload, "model", Tier.SIMPLE, 10, 100),
            created=time.time(),
            ttl_s=3600.0,
            namespace="1",
            policy_version="measured",
            text=f"question {number}",
            vector=vector,
        )
        for number, vector in enumerate(vectors)
    ]


def _operations(
    store: CacheStore, entries: list[Entry], rng: np.random.Generator
) -> list[tuple[str, Callable[[], Awaitable[object]]]]:
    def some() -> Entry:
        return entries[int(rng.integers(len(entries)))]

    async def exact() -> object:
        one = some()
        return await store.get(one.partition, one.id)

    async def near() -> object:
        one = some()
        assert one.vector is not None
        found = await store.nearest(one.partition, one.vector, 4)
        return await store.get(one.partition, found[0].id)

    async def put() -> object:
        await store.put(some())
        return None

    return [("exact hit", exact), ("semantic hit, beside the embedding", near), ("store", put)]


async def _settled(store: CacheStore, partition: str, size: int) -> None:
    while store.stats()["entries"] < size or not store.holds(partition):  # noqa: ASYNC110 - the server's to say
        await asyncio.sleep(0.05)
