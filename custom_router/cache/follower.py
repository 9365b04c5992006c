"""Keeps a mirror like the Redis it mirrors: reads all entries once, then every change from the stream of changes."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from redis.exceptions import RedisError

from custom_router.cache import codec
from custom_router.cache.base import Invalidations, Selector
from custom_router.cache.mirror import Known, Mirror
from custom_router.cache.redis_keys import Keys
from custom_router.cache.vector_sets import VectorSets

logger = logging.getLogger(__name__)

_BATCH = 100
"""Entries read at a time: some 3 ms of the event loop."""


class Follower:
    """A task that follows the stream on a connection of its own; what breaks makes it begin anew.

    A stream, not publish and subscribe, which loses what is said while nobody listens.
    """

    PATIENCE_S = 5.0
    """Seconds without a reply after which the server counts as hung. It answers a waiting read every second."""
    RETRY_S = 0.5

    def __init__(
        self, connect: Callable[[], Any], keys: Keys, mirror: Mirror, sets: VectorSets, dropped: Invalidations
    ) -> None:
        self._connect = connect
        self._keys = keys
        self._mirror = mirror
        self._sets = sets
        self._dropped = dropped
        self._last = b"0-0"
        self._waiting: dict[asyncio.Future[None], tuple[int, int]] = {}
        """Those who wait for an event to be read, and its place."""
        self.name = secrets.token_hex(8).encode()
        """By which this worker knows its own invalidations in the stream."""
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self.following = False
        self._deaf = False
        self.resyncs = 0

    def start(self) -> None:
        """Begin in the running loop, unless it has begun there."""
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._follow(), name="tier-router-cache-follower")

    async def reached(self, event: bytes, patience_s: float) -> bool:
        """Whether all changes up to this one are known here, at the latest after `patience_s`."""
        if _order(self._last) >= _order(event):
            return True
        # No asyncio.Condition: tasks cancelled in it together, as at the end of a loop, can wait for its lock for ever.
        moved = asyncio.get_running_loop().create_future()
        self._waiting[moved] = _order(event)
        try:
            async with asyncio.timeout(patience_s):
                await moved
        except TimeoutError:
            return False
        finally:
            del self._waiting[moved]
        return True

    async def close(self) -> None:
        """Stop."""
        task, self._task = self._task, None
        self._closing = True
        if task is not None and task.get_loop() is asyncio.get_running_loop():
            task.cancel()
            await asyncio.wait([task], timeout=self.PATIENCE_S)

    @property
    def _ending(self) -> bool:
        """Whether this task is to end. A cancellation that meets redis-py just as a reply comes in is lost there, and a
        loop that ends would wait for ever."""
        task = asyncio.current_task()
        return self._closing or (task is not None and task.cancelling() > 0)

    async def _follow(self) -> None:
        while not self._ending:
            client = self._connect()
            try:
                await self._sets.ask(client)  # each time: it may be another server now
                # The place in the stream first: what changes while all entries are read is read after them.
                newest = await self._last_event(client)
                if self._deaf:
                    self._dropped.note(Selector())  # whatever was dropped while nobody listened
                await self._read_all(client)
                self._move(newest)
                self.following = True
                while not self._ending:
                    self._move(await self._read_events(client, self._last))
            except (RedisError, OSError, TimeoutError) as error:
                if self.following or not self.resyncs:
                    logger.warning("following the cache's changes in Redis: %s; trying again", type(error).__name__)
            except _Missed:
                logger.warning("more changes in Redis than were read in time; reading all entries anew")
            except Exception:
                logger.exception("following the cache's changes in Redis failed; trying again")
            finally:
                self.following, self._deaf = False, True
                await _closed(client)
            await asyncio.sleep(self.RETRY_S)

    async def _last_event(self, client: Any) -> bytes:
        newest = await client.xrevrange(self._keys.events, count=1)
        last: bytes = newest[0][0] if newest else b"0-0"
        return last

    async def _read_all(self, client: Any) -> None:
        before = self._mirror.ids()
        seen: set[str] = set()
        batch: list[bytes] = []
        async for key in client.scan_iter(match=self._keys.entry("*"), count=_BATCH):
            batch.append(key)
            if len(batch) >= _BATCH:
                seen |= await self._read(client, batch)
                batch = []
        seen |= await self._read(client, batch)
        for gone in before - seen:
            self._mirror.remove(gone)
        self.resyncs += 1

    async def _read(self, client: Any, keys: Sequence[str | bytes]) -> set[str]:
        """Put the entries under these keys into the mirror, those that are still there; their ids."""
        if not keys:
            return set()
        pipe = client.pipeline(transaction=False)
        for key in keys:
            pipe.hmget(key, [codec.HEAD, codec.VECTOR])
        replies = (reply for reply in await pipe.execute(raise_on_error=False) if isinstance(reply, list))
        found = (self._take({codec.HEAD: head, codec.VECTOR: vector}) for head, vector in replies)
        return {entry_id for entry_id in found if entry_id is not None}

    async def _read_events(self, client: Any, last: bytes) -> bytes:
        """What has changed since: the id of the last event read. Raises `_Missed` where some are there no more."""
        found = await client.xread({self._keys.events: last}, count=_BATCH, block=1000)
        streams = found.items() if isinstance(found, Mapping) else found or ()
        events = [event for _, given in streams for event in _unwrapped(given)]
        if len(events) == _BATCH and await self._is_trimmed(client, last):
            raise _Missed
        written: dict[str, None] = {}
        for _, fields in events:
            if codec.PICKS in fields:
                self._note(fields)
            elif (gone := fields.get(b"gone")) is not None:
                written.pop(name := gone.decode("ascii", "replace"), None)
                self._mirror.remove(name)
            elif (new := fields.get(b"id")) is not None:
                written[new.decode("ascii", "replace")] = None
        await self._read(client, [self._keys.entry(name) for name in written])
        return bytes(events[-1][0]) if events else last

    async def _is_trimmed(self, client: Any, last: bytes) -> bool:
        """Whether the stream begins after an event, which may have been read, and what came next not."""
        if last == b"0-0":
            return False
        oldest = await client.xrange(self._keys.events, count=1)
        return not oldest or _order(oldest[0][0]) > _order(last)

    def _move(self, to: bytes) -> None:
        self._last = to
        for moved, place in self._waiting.items():
            if place <= _order(to) and not moved.done():
                moved.set_result(None)

    def _note(self, fields: Mapping[bytes, bytes]) -> None:
        """What another worker drops. Its own each has noted when it began."""
        if fields.get(b"by") == self.name:
            return
        try:
            self._dropped.note(codec.unpacked_selector(fields))
        except codec.Unreadable as error:
            logger.warning("an invalidation in Redis is not readable and is taken for one of everything: %s", error)
            self._dropped.note(Selector())

    def _take(self, fields: Mapping[bytes, bytes | None]) -> str | None:
        """Put an entry into the mirror; its id, or None for what is no entry that can be matched."""
        if fields.get(codec.VECTOR) is None:
            return None
        try:
            entry = codec.unpacked(fields, answer=False)
        except codec.Unreadable as error:
            logger.warning("a cache entry in Redis is not readable and is passed over: %s", error)
            return None
        if entry.vector is None or entry.text is None:
            return None
        if self._sets.served:
            self._mirror.put(entry.id, Known(entry.partition, entry.tenant), None)
        else:
            self._mirror.put(entry.id, Known(entry.partition, entry.tenant, entry.text), entry.vector)
        return entry.id


class _Missed(Exception):
    """Events were trimmed away before they were read."""


def _unwrapped(given: Any) -> Any:
    """The events of a stream, which a newer protocol wraps in one more list."""
    return given[0] if len(given) == 1 and given[0] and isinstance(given[0][0], list | tuple) else given


def _order(event: bytes) -> tuple[int, int]:
    """An event's place in the stream, by its id: milliseconds and a number."""
    at, _, number = event.partition(b"-")
    return int(at), int(number)


async def _closed(client: Any) -> None:
    try:
        await client.aclose()
    except (RedisError, OSError, RuntimeError):
        logger.debug("closing the connection to Redis failed", exc_info=True)
