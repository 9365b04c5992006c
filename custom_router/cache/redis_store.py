"""Entries in Redis, shared by all workers: hashes that expire are the truth, a stream tells every worker of changes.

Any Redis from 6.2 on. The nearest questions are sought by the server, where it has vector sets, and otherwise in this
process's mirror. The entry is read from its hash, which settles whether it is still there: an index or a mirror that
lags costs a hit, never a wrong one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence

from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import OutOfMemoryError, RedisError

from custom_router.cache import codec
from custom_router.cache.base import Cursor, Entry, Invalidations, Neighbour, Selector, StoreFailed, newest
from custom_router.cache.deadline import Guarded
from custom_router.cache.follower import Follower
from custom_router.cache.guarded_redis import GuardedRedis
from custom_router.cache.mirror import Mirror
from custom_router.cache.redis_connect import connect
from custom_router.cache.redis_keys import Keys
from custom_router.cache.redis_scan import BATCH, picked
from custom_router.cache.vector_sets import VectorSets
from custom_router.causes import Cause
from custom_router.classify.base import Vector
from custom_router.policy.cache import CachePolicy, RedisPolicy

logger = logging.getLogger(__name__)

SWEEP_S = 30.0
"""Seconds that dropping or listing, which an administrator waits for, may take."""
SETTLED_S = 30.0
"""Seconds that an entry may take to be known as not dropped meanwhile: a worker that starts reads everything first."""
EVENTS = 10_000
"""Changes that the stream keeps, about, of some 100 bytes: a worker that misses more reads everything anew."""


class RedisStore:
    """A `CacheStore` in Redis. For one event loop, in which its follower runs from the first call on."""

    def __init__(self, policy: CachePolicy, settings: RedisPolicy, clock: Callable[[], float] = time.time) -> None:
        """Not connected yet. Raises `BadRedisUrl`."""
        self._policy = policy
        self._clock = clock
        self._keys = Keys(settings.prefix)
        self._redis = GuardedRedis(settings)
        self._client = self._redis.client
        self._mirror = Mirror(policy.entries)
        self._sets = VectorSets(self._keys)
        self.invalidations = Invalidations()
        self._follower = Follower(
            lambda: connect(settings.url, Follower.PATIENCE_S),
            self._keys,
            self._mirror,
            self._sets,
            self.invalidations,
        )
        self._evictions = 0

    @property
    def connected(self) -> bool:
        """Whether this worker follows the server's changes."""
        return self._follower.following

    def holds(self, partition: str) -> bool:
        """Whether the mirror knows an entry of the partition."""
        self._follower.start()
        return self._mirror.holds(partition)

    async def get(self, partition: str, entry_id: str) -> Entry | None:
        """The entry, if it is there, unexpired and readable. Raises `StoreFailed`."""
        self._follower.start()
        key = self._keys.entry(entry_id)
        fields = [codec.HEAD, codec.ANSWER]
        values = await self._redis.reading.call(lambda: self._client.hmget(key, fields))
        return self._believed(partition, entry_id, dict(zip(fields, values, strict=True)))

    def _believed(self, partition: str, entry_id: str, fields: Mapping[bytes, bytes | None]) -> Entry | None:
        """The entry that a hash holds, if it is the one that its name says, of this partition and unexpired."""
        if fields[codec.HEAD] is None:
            self._mirror.remove(entry_id)
            return None
        try:
            entry = codec.unpacked(fields)
        except codec.Unreadable as error:
            logger.warning("cache entry %s is not readable and is passed over: %s", entry_id, error)
            self._mirror.remove(entry_id)
            return None
        if entry.id != entry_id or entry.partition != partition or entry.expired(self._clock()):
            return None
        return entry

    async def nearest(self, partition: str, vector: Vector, limit: int) -> Sequence[Neighbour]:
        """At most `limit` questions, most similar first, as far as the server's index or the mirror knows. Raises
        `StoreFailed`."""
        if self._sets.served:
            return await self._redis.reading.call(lambda: self._sought(partition, vector, limit))
        return self._mirror.nearest(partition, vector, limit)

    async def _sought(self, partition: str, vector: Vector, limit: int) -> list[Neighbour]:
        """What the server's vector set names, each read from its own hash, answer and all: to fetch the answer later
        would take another round trip."""
        named = await self._sets.nearest(self._client, partition, vector, limit)
        if not named:
            return []
        fields = [codec.HEAD, codec.VECTOR, codec.ANSWER]
        pipe = self._client.pipeline(transaction=False)
        ids = [name.decode("ascii", "replace") for name in named]
        for entry_id in ids:
            pipe.hmget(self._keys.entry(entry_id), fields)
        found, stale = [], []
        for name, entry_id, values in zip(named, ids, await pipe.execute(raise_on_error=False), strict=True):
            if not isinstance(values, list):
                continue  # an error tells nothing of the entry
            entry = self._believed(partition, entry_id, dict(zip(fields, values, strict=True)))
            if entry is None or entry.text is None or entry.vector is None or len(entry.vector) != len(vector):
                stale.append(name)
            else:
                found.append(Neighbour(entry_id, entry.text, float(entry.vector @ vector), entry))
        if stale:
            pipe = self._client.pipeline(transaction=False)
            self._sets.remove(pipe, partition, stale)
            await pipe.execute(raise_on_error=False)
        return sorted(found, key=lambda near: -near.similarity)

    async def put(self, entry: Entry) -> None:
        """Store an entry and tell every worker; the tenant's soonest to expire make room. Raises `StoreFailed`."""
        self._follower.start()
        try:
            event = await self._redis.writing.call(lambda: self._written(entry))
            # Whoever drops says so before looking: the drop is told before this event, or finds the entry.
            if not await self._follower.reached(event, SETTLED_S):
                raise StoreFailed(Cause.CACHE_TIMEOUT, "this worker does not know whether the entry has been dropped")
        except StoreFailed as failure:
            if failure.cause is not Cause.CACHE_BREAKER_OPEN:
                await self._unwritten(entry)
            raise

    async def _written(self, entry: Entry) -> bytes:
        """Write it; the id of the event that tells of it."""
        if self._sets.served is None:
            await self._sets.ask(self._client)
        keys, now = self._keys, self._clock()
        tenant, everyone = keys.tenant(entry.tenant), keys.everyone
        ttl_ms = max(1, int(entry.ttl_s * 1000))
        fields = codec.packed(entry)
        # Only the name: what a question says must go when its entry goes, and the stream outlives it.
        event = {b"id": entry.id.encode()}
        # One server runs all of it at once. A cluster has the keys in several places, and there only the order counts:
        # the entry before the word of it.
        pipe = self._client.pipeline(transaction=False)
        pipe.hset(keys.entry(entry.id), mapping=fields)
        pipe.pexpire(keys.entry(entry.id), ttl_ms)
        for index in (tenant, everyone):
            pipe.zadd(index, {entry.id: entry.created + entry.ttl_s})
            pipe.zremrangebyscore(index, 0, now)
            pipe.zcard(index)
        indexed = bool(self._sets.served) and entry.vector is not None and entry.text is not None
        if indexed:
            self._sets.add(pipe, entry, now)
        pipe.xadd(keys.events, event, maxlen=EVENTS, approximate=True)
        replies = await pipe.execute(raise_on_error=False)
        for reply in (*replies[:8], replies[-1]):
            if isinstance(reply, Exception):
                raise reply
        if indexed:
            await self._sets.added(self._client, entry.partition, replies[8:-1])
        evicted = await self._evict(tenant, replies[4] - self._policy.entries_per_tenant)
        await self._evict(everyone, replies[7] - evicted - self._policy.entries)
        told: bytes = replies[-1]
        return told

    async def _unwritten(self, entry: Entry) -> None:
        """Remove what a failed write may have left: a drop may have missed it."""
        try:
            await self._redis.once().call(lambda: self._removed({entry.id: entry}))
        except StoreFailed as failure:
            logger.debug("what a failed write may have left in Redis is not removed: %s", failure)

    async def _evict(self, index: str, surplus: int) -> int:
        """Remove the soonest to expire of an index; how many."""
        if surplus <= 0:
            return 0
        crowded = [id_.decode("ascii", "replace") for id_, _ in await self._client.zpopmin(index, surplus)]
        pipe = self._client.pipeline(transaction=False)
        for entry_id in crowded:
            pipe.hmget(self._keys.entry(entry_id), [codec.HEAD])
        leaving: dict[str, Entry | None] = {}
        for entry_id, values in zip(crowded, await pipe.execute(raise_on_error=False), strict=True):
            try:
                leaving[entry_id] = codec.unpacked({codec.HEAD: values[0]}, answer=False)
            except (codec.Unreadable, TypeError, IndexError):
                leaving[entry_id] = None  # gone already, or nothing that this product wrote
        await self._removed(leaving)
        self._evictions += len(crowded)
        return len(crowded)

    async def drop(self, selector: Selector) -> int:
        """Remove the entries picked, in every worker; their number. Raises `StoreFailed`."""
        self.invalidations.note(selector)
        # Past the breaker, as below: an administrator is told what failed, and asks again.
        return await Guarded(SWEEP_S).call(lambda: self._dropped(selector))

    async def _dropped(self, selector: Selector) -> int:
        swept = 0
        told = {**codec.packed_selector(selector), b"by": self._follower.name}

        async def make_room(_refused: Exception) -> None:
            nonlocal swept
            swept += await self._swept(selector)

        # What is dropped makes room in a full server for the word of it, at once or after a moment.
        await Retry(ExponentialBackoff(cap=1.0, base=0.05), 5, (OutOfMemoryError,)).call_with_retry(
            lambda: self._client.xadd(self._keys.events, told, maxlen=EVENTS, approximate=True), make_room
        )
        return swept + await self._swept(selector)

    async def _swept(self, selector: Selector) -> int:
        leaving = {entry.id: entry async for entry in picked(self._client, self._keys, selector, self._clock())}
        items = list(leaving.items())
        for at in range(0, len(items), BATCH):
            await self._removed(dict(items[at : at + BATCH]))
        return len(leaving)

    async def _removed(self, leaving: Mapping[str, Entry | None]) -> None:
        """Remove entries, by id, and tell every worker. Of None only the id is known."""
        if self._sets.served is None:
            await self._sets.ask(self._client)
        pipe = self._client.pipeline(transaction=False)
        for entry_id, entry in leaving.items():
            pipe.delete(self._keys.entry(entry_id))
            pipe.zrem(self._keys.everyone, entry_id)
            if entry is not None:
                pipe.zrem(self._keys.tenant(entry.tenant), entry_id)
                if self._sets.served:
                    self._sets.remove(pipe, entry.partition, [entry_id])
            pipe.xadd(self._keys.events, {b"gone": entry_id.encode()}, maxlen=EVENTS, approximate=True)
        for reply in await pipe.execute(raise_on_error=False):
            # A full server removes but has no room for the word of it: a worker finds out when it asks for the entry.
            if isinstance(reply, Exception) and not isinstance(reply, OutOfMemoryError):
                raise reply
        for entry_id in leaving:
            self._mirror.remove(entry_id)

    async def find(self, selector: Selector, limit: int, after: Cursor | None = None) -> list[Entry]:
        """At most `limit` entries picked, newest first; with `after`, those after it. Raises `StoreFailed`."""

        async def found() -> list[Entry]:
            entries = [entry async for entry in picked(self._client, self._keys, selector, self._clock(), answers=True)]
            return newest(entries, limit, after)

        return await Guarded(SWEEP_S).call(found)

    def stats(self) -> dict[str, int]:
        """Counts of what this worker knows: `entries` that can be matched by meaning, `tenants`, `evictions` it made,
        `resyncs` of its mirror; `vector_sets`, `connected` and `breaker_open`, 1 or 0."""
        return {
            "entries": len(self._mirror),
            "vector_sets": int(bool(self._sets.served)),
            "tenants": self._mirror.tenants(),
            "evictions": self._evictions,
            "resyncs": self._follower.resyncs,
            "connected": int(self.connected),
            "breaker_open": int(self._redis.open),
        }

    async def close(self) -> None:
        """Stop following and let go of the connections."""
        await self._follower.close()
        try:
            await self._client.aclose()
        except (RedisError, OSError, RuntimeError):  # the loop it was opened in may be over
            logger.debug("closing the connection to Redis failed", exc_info=True)
