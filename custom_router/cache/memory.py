"""Entries in this process's memory: bounded, the longest unused leave first."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from custom_router.cache import snapshot
from custom_router.cache.base import Cursor, Entry, Invalidations, Neighbour, Selector, newest
from custom_router.cache.vectors import VectorTable
from custom_router.classify.base import Vector

logger = logging.getLogger(__name__)

SAVED_EVERY_S = 60.0


class MemoryStore:
    """The default `CacheStore`. For one event loop.

    With a `file` it begins with what that holds, and writes it a minute after a change and at the end. `clock` gives
    seconds since the epoch.
    """

    def __init__(
        self,
        *,
        entries: int,
        entries_per_tenant: int,
        file: Path | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._capacity = entries
        self._share = entries_per_tenant
        self._clock = clock
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._tenants: dict[str, OrderedDict[str, None]] = defaultdict(OrderedDict)
        self._tables: dict[str, VectorTable] = {}
        self._evictions = 0
        self.invalidations = Invalidations()
        self._file = file
        self._saving: asyncio.Task[None] | None = None
        if file is not None:
            for entry in snapshot.load(file):
                if not entry.expired(clock()):
                    self._add(entry)

    def holds(self, partition: str) -> bool:
        """Whether the partition has an entry with a vector."""
        return partition in self._tables

    async def get(self, partition: str, entry_id: str) -> Entry | None:
        """The entry, if it is there and has not expired. It counts as used."""
        entry = self._entries.get(entry_id)
        if entry is None or entry.partition != partition:
            return None
        if entry.expired(self._clock()):
            self._remove(entry_id)
            return None
        self._entries.move_to_end(entry_id)
        self._tenants[entry.tenant].move_to_end(entry_id)
        return entry

    async def nearest(self, partition: str, vector: Vector, limit: int) -> Sequence[Neighbour]:
        """At most `limit` questions, most similar first."""
        table = self._tables.get(partition)
        if table is None:
            return ()
        found = ((self._entries[id_], similarity) for id_, similarity in table.nearest(vector, limit))
        return [Neighbour(entry.id, entry.text or "", similarity) for entry, similarity in found]

    async def put(self, entry: Entry) -> None:
        """Store or replace an entry; the tenant's, then the cache's longest unused one makes room."""
        self._add(entry)
        self._save_later()

    def _add(self, entry: Entry) -> None:
        self._remove(entry.id)
        self._entries[entry.id] = entry
        self._tenants[entry.tenant][entry.id] = None
        if entry.vector is not None and entry.text is not None:
            self._tables.setdefault(entry.partition, VectorTable()).put(entry.id, entry.vector)
        for crowd, limit in ((self._tenants[entry.tenant], self._share), (self._entries, self._capacity)):
            if len(crowd) > limit:
                self._evictions += 1
                self._remove(next(iter(crowd)))

    async def drop(self, selector: Selector) -> int:
        """Remove the entries picked; their number."""
        self.invalidations.note(selector)
        now = self._clock()
        picked = [entry.id for entry in self._entries.values() if selector.picks(entry, now)]
        for entry_id in picked:
            self._remove(entry_id)
        self._save_later()
        return len(picked)

    async def find(self, selector: Selector, limit: int, after: Cursor | None = None) -> list[Entry]:
        """At most `limit` entries picked, newest first; with `after`, those that come after it."""
        now = self._clock()
        picked = (entry for entry in self._entries.values() if not entry.expired(now) and selector.picks(entry, now))
        return newest(picked, limit, after)

    def stats(self) -> dict[str, int]:
        """Counts: `entries`, `bytes` of answers, `tenants`, `evictions`."""
        return {
            "entries": len(self._entries),
            "bytes": sum(len(entry.answer.payload) for entry in self._entries.values()),
            "tenants": len(self._tenants),
            "evictions": self._evictions,
        }

    async def close(self) -> None:
        """Write the file, if there is one."""
        if self._file is not None:
            # In this thread: an interpreter that is ending starts no other.
            self._write(self._file, list(self._entries.values()))

    def _save_later(self) -> None:
        if self._file is not None and (self._saving is None or self._saving.done()):
            self._saving = asyncio.get_running_loop().create_task(self._save_soon(self._file))

    async def _save_soon(self, file: Path) -> None:
        await asyncio.sleep(SAVED_EVERY_S)
        await asyncio.to_thread(self._write, file, list(self._entries.values()))

    @staticmethod
    def _write(file: Path, entries: list[Entry]) -> None:
        try:
            snapshot.save(file, entries)
        except OSError as error:
            logger.warning("cache file %s was not written: %s", file, error.strerror or error)

    def _remove(self, entry_id: str) -> None:
        entry = self._entries.pop(entry_id, None)
        if entry is None:
            return
        owned = self._tenants[entry.tenant]
        owned.pop(entry_id, None)
        if not owned:
            del self._tenants[entry.tenant]
        table = self._tables.get(entry.partition)
        if table is not None and table.remove(entry_id) == 0:
            del self._tables[entry.partition]
