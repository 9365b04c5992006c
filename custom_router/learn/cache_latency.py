"""How long the stores take, as ratios to an exact hit in memory. Interleaved, so that load falls on all of them."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import numpy as np

from custom_router.cache.base import Answer, CacheStore, Entry, Selector
from custom_router.cache.key import entry_id, hashed
from custom_router.cache.memory import MemoryStore
from custom_router.cache.redis_store import RedisStore
from custom_router.encoder.base import Vectors
from custom_router.policy.cache import CachePolicy, RedisPolicy
from custom_router.tiers import Tier

SIZES = (1_000, 10_000, 100_000)
_ROUNDS = 200
_DIMENSION = 384
_NEIGHBOURS = 4
_EQUAL = 1e-6
"""Cosines this near to each other are those of the same question asked twice."""


@dataclass(slots=True)
class _Timed:
    store: str
    entries: int
    operation: str
    run: Callable[[], Awaitable[object]]
    taken: list[float]


async def measure(redis: Sequence[str], vectors: Vectors) -> list[list[object]]:
    """Lines of store, entries, operation, median ms and ratio. `redis` are URLs of servers to fill and empty. Where
    there are too few `vectors`, random ones are stored, which are the hardest for an index that follows likeness."""
    rng = np.random.default_rng(0)
    lines: list[list[object]] = []
    for size in SIZES:
        entries = made_entries(vectors[:size] if len(vectors) >= size else _random_vectors(size, rng))
        stores: dict[str, CacheStore] = {"memory": MemoryStore(entries=size, entries_per_tenant=size)}
        for url in redis:
            shared = await opened(url, size)
            stores["redis, vector sets" if shared.stats()["vector_sets"] else "redis, mirror"] = shared
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


async def recall(url: str, vectors: Vectors, asked: Vectors) -> list[list[object]]:
    """What a server that finds the nearest itself finds of what there is: lines of entries, queries, share of the
    nearest and of the four nearest found, largest error of a cosine."""
    entries = made_entries(vectors)
    store = await opened(url, len(entries))
    partition = entries[0].partition
    row = {entry.id: number for number, entry in enumerate(entries)}
    try:
        for entry in entries:
            await store.put(entry)
        first, four, error = [], [], 0.0
        for vector in asked:
            cosines = vectors @ vector
            found = await store.nearest(partition, vector, _NEIGHBOURS)
            best = set(np.argsort(-cosines)[:_NEIGHBOURS].tolist())
            first.append(bool(found) and float(cosines[row[found[0].id]]) >= float(cosines.max()) - _EQUAL)
            four.append(len(best & {row[near.id] for near in found}) / _NEIGHBOURS)
            error = max(error, *(abs(near.similarity - float(cosines[row[near.id]])) for near in found), 0.0)
    finally:
        await store.drop(Selector())
        await store.close()
    return [[f"{len(vectors):,}", f"{len(asked):,}", float(np.mean(first)), float(np.mean(four)), f"{error:.0e}"]]


async def opened(url: str, size: int) -> RedisStore:
    """A store that follows its server, for so many entries."""
    settings = RedisPolicy(url=url, deadline_ms=2_000, prefix="tier-router-measure")
    store = RedisStore(CachePolicy(entries=size, entries_per_tenant=size), settings)
    store.holds("")
    while not store.connected:  # noqa: ASYNC110 - the server's to say
        await asyncio.sleep(0.05)
    return store


def _random_vectors(size: int, rng: np.random.Generator) -> Vectors:
    vectors = rng.standard_normal((size, _DIMENSION)).astype(np.float32)
    made: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return made


def made_entries(vectors: Vectors) -> list[Entry]:
    """Entries of one partition with these vectors and answers of half a kilobyte."""
    partition = hashed("measured")
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
        best = (await store.nearest(one.partition, one.vector, _NEIGHBOURS))[0]
        return best.entry or await store.get(one.partition, best.id)

    async def put() -> object:
        await store.put(some())
        return None

    return [("exact hit", exact), ("semantic hit, beside the embedding", near), ("store", put)]


async def _settled(store: CacheStore, partition: str, size: int) -> None:
    while store.stats()["entries"] < size or not store.holds(partition):  # noqa: ASYNC110 - the server's to say
        await asyncio.sleep(0.05)
