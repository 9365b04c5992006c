"""What callers think of answers: noted beside the records, and taken to heart by the cache."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from cachetools import LRUCache

from custom_router.cache.base import Selector
from custom_router.cache_control import CacheControl
from custom_router.feedback_body import Feedback
from custom_router.observed import observe_feedback
from custom_router.per_minute import PerMinute
from custom_router.records.find import find_newest
from custom_router.records.finished import RECENT
from custom_router.records.sinks import JsonLinesSink
from custom_router.runtime import Runtime

NEAR = 0.9
"""Least cosine of the entries that go with one that a caller found wrong."""
_READ_BYTES = 64 * 2**20
"""Of the record files, newest first, that a request answered by another worker is looked for in."""


PER_MINUTE = 120
"""Feedback of one key that each worker takes: looking for a request reads the disk, and a line is kept of every one."""


class NotYours(LookupError):
    """There is no such request among the newest, or it is another key's; the caller is not told which."""


class TooMuch(RuntimeError):
    """This key has given feedback too often. The message says how much it may give."""


@dataclass(frozen=True, slots=True)
class FeedbackLine:
    """One line of `feedback/feedback-*.jsonl`, to be joined with the decision record by `request_id`. Of several lines
    of one request the latest counts."""

    request_id: str
    time: str
    key_hash: str | None
    score: float
    label: str | None
    tags: list[str]
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
        self._rate = PerMinute(PER_MINUTE)
        self._counted: LRUCache[str, None] = LRUCache(RECENT)

    async def take(self, given: Feedback, key_hash: str | None) -> FeedbackLine:
        """Note what the key with this hash thinks of a request of its own (None: an administrator, of any request).

        A negative score for an answer from the cache drops that entry and the caller's tenant's entries near to it.
        Raises `NotYours`; `TooMuch`; `StoreFailed` where an entry could not be dropped.
        """
        if key_hash is not None and not self._rate.admit(key_hash):
            raise TooMuch(f"a key may give feedback {PER_MINUTE} times a minute")
        request_id, score = given.request_id, given.value
        record = await self._record(request_id)
        if record is None or (key_hash is not None and record["tenant"]["key_hash"] != key_hash):
            raise NotYours(request_id)
        cache = record["cache"]
        entry_id = cache["entry_id"] if cache["status"] == "hit" else None
        dropped = await self._drop(entry_id) if entry_id is not None and score < 0 else 0
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        key = record["tenant"]["key_hash"]
        line = FeedbackLine(request_id, now, key, score, given.label, given.tags, entry_id, dropped)
        self._write(line)
        if request_id not in self._counted:  # a counter cannot take back the opinion that this one replaces
            self._counted[request_id] = None
            observe_feedback(record, score)
        return line

    async def _record(self, request_id: str) -> dict[str, Any] | None:
        if (known := self._runtime.finished.recent.get(request_id)) is not None:
            return known.as_dict()
        sink = self._runtime.sink
        if not isinstance(sink, JsonLinesSink):
            return None

        def named(record: dict[str, Any]) -> bool:
            # By our id alone: a client chooses its call id, and could choose another request's id for it.
            return bool(record.get("request_id") == request_id)

        async with self._reading:  # one at a time: reading is the disk's, and asking for what is not there is free
            try:
                found = await asyncio.to_thread(find_newest, sink.directory, request_id, _READ_BYTES, named)
                return found.record
            except OSError:
                return None

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
