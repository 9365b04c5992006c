"""What callers think of answers: noted beside the records, and taken to heart by the cache."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from custom_router.cache.base import Selector
from custom_router.cache_control import CacheControl
from custom_router.observed import observe_feedback
from custom_router.records.find import find_in, segments_newest_first
from custom_router.records.sinks import JsonLinesSink
from custom_router.runtime import Runtime

NEAR = 0.9
"""Least cosine of the entries that go with one that a caller found wrong."""
_READ_BYTES = 64 * 2**20
"""Of the record files, newest first, that a request answered by another worker is looked for in."""


class NotYours(LookupError):
    """There is no such request, or it is another key's; the caller is not told which."""


@dataclass(frozen=True, slots=True)
class FeedbackLine:
    """One line of `feedback/feedback-*.jsonl`, to be joined with the decision record by `request_id`."""

    request_id: str
    time: str
    key_hash: str | None
    score: float
    entry_id: str | None
    dropped: int

    def to_json(self) -> bytes:
        """One line of JSON."""
        return orjson.dumps(self)


class FeedbackDesk:
    """Takes feedback. One per process."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._control = CacheControl(runtime)
        self._sink: JsonLinesSink | None = None
        self._reading = asyncio.Lock()

    async def take(self, request_id: str, score: float, key_hash: str | None) -> FeedbackLine:
        """Note a score, -1 to 1, for a request of the key with this hash (None: an administrator's, for any request).

        A negative one for an answer from the cache drops that entry and the caller's tenant's entries near to it.
        Raises `NotYours`; `StoreFailed` where an entry could not be dropped.
        """
        record = await self._record(request_id)
        if record is None or (key_hash is not None and record["tenant"]["key_hash"] != key_hash):
            raise NotYours(request_id)
        cache = record["cache"]
        entry_id = cache["entry_id"] if cache["status"] == "hit" else None
        dropped = await self._drop(entry_id) if entry_id is not None and score < 0 else 0
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = FeedbackLine(request_id, now, record["tenant"]["key_hash"], score, entry_id, dropped)
        self._write(line)
        observe_feedback(record, score)
        return line

    async def _record(self, request_id: str) -> dict[str, Any] | None:
        if (known := self._runtime.finished.recent.get(request_id)) is not None:
            return known.as_dict()
        sink = self._runtime.sink
        if not isinstance(sink, JsonLinesSink):
            return None
        async with self._reading:  # one at a time: reading is the disk's, and asking for what is not there is free
            found = await asyncio.to_thread(_on_disk, sink.directory, request_id)
        return found if found is not None and found.get("request_id") == request_id else None

    async def _drop(self, entry_id: str) -> int:
        picked = Selector(entry_id=entry_id)
        entries = await self._control.find(picked, 1)
        dropped = await self._control.drop(picked, "feedback")
        for entry in entries:
            if entry.vector is not None:
                near = Selector(tenant=entry.tenant, vector=entry.vector, least_similarity=NEAR)
                dropped += await self._control.drop(near, "feedback")
        return dropped

    def _write(self, line: FeedbackLine) -> None:
        sink = self._runtime.sink
        if self._sink is None and isinstance(sink, JsonLinesSink):
            self._sink = sink.beside("feedback")
        if self._sink is not None:
            self._sink.write(line)


def _on_disk(directory: Path, request_id: str) -> dict[str, Any] | None:
    read = 0
    try:
        for segment in segments_newest_first(directory):
            if read > _READ_BYTES:
                break
            read += segment.stat().st_size
            if (found := find_in(segment, request_id)) is not None:
                return found
    except OSError:
        return None
    return None
