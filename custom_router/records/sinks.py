"""Where records go: the `RecordSink` seam, JSON lines on disk, and memory for tests."""

from __future__ import annotations

import logging
import os
import queue
import socket
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from custom_router import metrics
from custom_router.records.pruned import Pruning, last_written, remove
from custom_router.records.record import DecisionRecord

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 0.2
_BATCH = 1_000


class Storable(Protocol):
    """What a line can be made of."""

    def to_json(self) -> bytes:
        """One line of JSON, without the line end. Never raises."""
        ...


class RecordSink(Protocol):
    """Takes finished records. `write` must not block and must not raise."""

    def write(self, record: DecisionRecord) -> None:
        """Accept one record."""
        ...


class MemorySink:
    """Keeps records in a list, for tests and evaluations."""

    def __init__(self) -> None:
        self.records: list[DecisionRecord] = []

    def write(self, record: DecisionRecord) -> None:
        """Append."""
        self.records.append(record)


@dataclass(frozen=True, slots=True)
class _Closed:
    """A closed segment, and between which times its records were written."""

    path: Path
    since: datetime
    until: datetime


class JsonLinesSink:
    """Append-only JSON lines, one segment at a time per process, written by one thread from a bounded queue.

    Segments are `<prefix>-<host>-<pid>-<time>.jsonl`; at `segment_bytes` the next one is begun, and of this
    process's closed ones only `keep` stay; `pruned/` says which went (`pruned.py`). A disk that is full, slow or
    missing costs records (counted by reason and logged once a minute), never a request.
    """

    def __init__(
        self, directory: str | Path, *, segment_bytes: int, keep: int, queue_size: int, prefix: str = "decisions"
    ) -> None:
        self.directory = Path(directory)
        self._prefix = prefix
        self._segment_bytes = segment_bytes
        self._keep = keep
        self._queue: queue.Queue[bytes | threading.Event] = queue.Queue(queue_size)
        self._file: BinaryIO | None = None
        self._closed: list[_Closed] = []
        self._since = datetime.now(UTC)
        self._pruning = Pruning(keep)
        self._beside: list[JsonLinesSink] = []
        self._complained_at = float("-inf")
        self._thread = threading.Thread(target=self._run, name="tier-router-records", daemon=True)
        self._thread.start()

    def beside(self, name: str) -> JsonLinesSink:
        """A sink like this one for other lines, in a folder of that name within this one's."""
        sink = JsonLinesSink(
            self.directory / name,
            segment_bytes=self._segment_bytes,
            keep=self._keep,
            queue_size=self._queue.maxsize,
            prefix=name,
        )
        self._beside.append(sink)
        return sink

    def write(self, record: Storable) -> None:
        """Queue one record; drop and count it when the queue is full."""
        try:
            self._queue.put_nowait(record.to_json())
        except queue.Full:
            self._lost(1, "queue_full", f"more than {self._queue.maxsize} records wait for {self.directory}")

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until everything queued so far, beside it too, is on disk; False when it did not happen in time."""
        done = threading.Event()
        deadline = time.monotonic() + timeout_s
        try:
            self._queue.put(done, timeout=timeout_s)
        except queue.Full:
            return False
        written = done.wait(max(0.0, deadline - time.monotonic()))
        return all([written, *(sink.flush(max(0.0, deadline - time.monotonic())) for sink in self._beside)])

    @property
    def waiting(self) -> int:
        """Records not yet on disk."""
        return self._queue.qsize()

    def _run(self) -> None:
        while True:
            items = [self._queue.get()]
            # Gather for a moment: one write for many records costs the disk, and the GIL, far less.
            if isinstance(items[0], bytes):
                time.sleep(FLUSH_SECONDS)
            while len(items) < _BATCH:
                try:
                    items.append(self._queue.get_nowait())
                except queue.Empty:
                    break
            lines = [item for item in items if isinstance(item, bytes)]
            if lines:
                self._append(lines)
            for item in items:
                if isinstance(item, threading.Event):
                    item.set()

    def _append(self, lines: list[bytes]) -> None:
        try:
            out = self._segment()
            out.write(b"\n".join(lines) + b"\n")
            out.flush()
        except Exception as error:  # noqa: BLE001 - a writer that dies would lose every later record silently
            self._close_segment()
            self._lost(len(lines), "disk", f"{self.directory}: {error}")
            return
        metrics.RECORDS_WRITTEN.inc(len(lines))

    def _segment(self) -> BinaryIO:
        if self._file is not None and (self._file.tell() >= self._segment_bytes or not Path(self._file.name).exists()):
            self._close_segment()
        if self._file is None:
            self.directory.mkdir(parents=True, exist_ok=True)
            stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
            name = f"{self._prefix}-{socket.gethostname()}-{os.getpid()}-{stamp}.jsonl"
            self._file = (self.directory / name).open("ab")
        return self._file

    def _close_segment(self) -> None:
        if self._file is None:
            return
        out, path = self._file, Path(self._file.name)
        self._file = None
        try:
            out.close()
        except OSError as error:
            logger.debug("closing a broken record segment: %s", error)
        try:
            until = last_written(path)
        except OSError:  # taken away
            until = datetime.now(UTC)
        # A full disk breaks a segment with every batch: the broken ones are counted and thinned like any other.
        self._closed.append(_Closed(path, self._since, until))
        self._since = until
        while len(self._closed) > self._keep:
            old = self._closed.pop(0)
            self._pruning.delete(old.path, old.since, old.until)
        if path.exists() and path.stat().st_size == 0:
            self._closed.pop()
            remove(path)

    def _lost(self, count: int, reason: str, detail: str) -> None:
        metrics.RECORDS_DROPPED.labels(reason).inc(count)
        if time.monotonic() - self._complained_at >= 60:
            self._complained_at = time.monotonic()
            logger.error("decision records are being lost (%s): %s", reason, detail)
