"""The decision records of all workers as they are written: one thread reads what the segments have grown by."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from custom_router.receipts.listing import LONGEST_LINE

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.25
BYTES_A_POLL = 4 * 2**20
"""Read of one segment at a time; of one that grows faster, the oldest lines are passed over and counted."""
QUEUE = 1_000
"""Records waiting for one reader; beyond that the oldest are dropped and counted."""

Batch = tuple[list[dict[str, Any]], int]
"""Records in the order in which they were finished, and how many before them were dropped."""


@dataclass(slots=True)
class Tail:
    """What has been read of a folder of segments. Begins at their present ends. Not for several threads."""

    directory: Path
    _offsets: dict[str, int] = field(default_factory=dict)
    _begun: bool = False

    def read(self) -> tuple[list[dict[str, Any]], int]:
        """The records written since the last call, and how many bytes were passed over. A folder that is not there
        holds nothing yet. Raises `OSError`."""
        records: list[dict[str, Any]] = []
        passed_over = 0
        there: dict[str, int] = {}
        for path in self.directory.glob("*.jsonl"):
            try:
                size = path.stat().st_size
                start = self._offsets.get(path.name, 0 if self._begun else size)
                there[path.name] = start
                if size <= start:
                    continue
                if size - start > BYTES_A_POLL:
                    passed_over += size - BYTES_A_POLL - start
                    start = size - BYTES_A_POLL
                with path.open("rb") as file:
                    file.seek(start)
                    read = file.read(size - start)
            except FileNotFoundError:  # an old segment, deleted meanwhile
                continue
            whole, _, rest = read.rpartition(b"\n")
            # A line without its end is still being written; one without end is none of ours.
            there[path.name] = size if len(rest) > LONGEST_LINE else size - len(rest)
            records.extend(_records(whole.split(b"\n")))
        self._offsets, self._begun = there, True
        return records, passed_over


def _records(lines: Iterable[bytes]) -> Iterable[dict[str, Any]]:
    for line in lines:
        try:
            record = orjson.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            yield record


class Reader:
    """One reader's share of what is followed: at most `QUEUE` records wait for it."""

    def __init__(self, wanted: Callable[[dict[str, Any]], bool]) -> None:
        self._wanted = wanted
        self._waiting: deque[dict[str, Any]] = deque()
        self._dropped = 0
        self._news = asyncio.Event()

    def put(self, records: Iterable[dict[str, Any]], passed_over: bool) -> None:
        """Take what is wanted of new records; the oldest make room. In the event loop."""
        self._dropped += passed_over
        for record in records:
            if self._wanted(record):
                if len(self._waiting) >= QUEUE:
                    self._waiting.popleft()
                    self._dropped += 1
                self._waiting.append(record)
        if self._waiting or self._dropped:
            self._news.set()

    async def batches(self, quiet_s: float) -> AsyncIterator[Batch]:
        """What has come since the last batch, for ever; an empty one after `quiet_s` seconds without."""
        while True:
            try:
                async with asyncio.timeout(quiet_s):
                    await self._news.wait()
            except TimeoutError:
                yield [], 0
                continue
            batch = list(self._waiting), self._dropped
            self._waiting.clear()
            self._dropped = 0
            self._news.clear()
            yield batch


class Follower:
    """Follows a folder while somebody reads: one thread for all readers of the process, none without any."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._readers: set[Reader] = set()
        self._stop: threading.Event | None = None
        self._begun = asyncio.Event()

    @asynccontextmanager
    async def reader(self, wanted: Callable[[dict[str, Any]], bool]) -> AsyncIterator[Reader]:
        """A reader of the records that are `wanted`: of all that are written from when this has been entered."""
        reader = Reader(wanted)
        self._readers.add(reader)
        if self._stop is None:
            self._stop, self._begun = threading.Event(), asyncio.Event()
            given = self._stop, self._begun, asyncio.get_running_loop()
            threading.Thread(target=self._follow, args=given, name="tier-router-follow", daemon=True).start()
        try:
            await self._begun.wait()
            yield reader
        finally:
            self._readers.discard(reader)
            if not self._readers and self._stop is not None:
                self._stop.set()
                self._stop = None

    def _follow(self, stop: threading.Event, begun: asyncio.Event, loop: asyncio.AbstractEventLoop) -> None:
        tail = Tail(self._directory)
        while not stop.is_set():
            records: list[dict[str, Any]] = []
            passed_over = 0
            try:
                records, passed_over = tail.read()
            except OSError as error:
                logger.warning("decision records cannot be followed: %s", error)
                stop.wait(5.0)
            try:
                if records or passed_over or not begun.is_set():
                    loop.call_soon_threadsafe(self._hand_out, records, passed_over > 0, begun)
            except RuntimeError:  # the loop has been closed: the process is ending
                return
            stop.wait(POLL_SECONDS)

    def _hand_out(self, records: list[dict[str, Any]], passed_over: bool, begun: asyncio.Event) -> None:
        begun.set()
        for reader in tuple(self._readers):
            reader.put(records, passed_over)
