"""The newest decision records of all workers, read backwards from the segments on disk, page after page."""

from __future__ import annotations

import hashlib
import heapq
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import orjson

Record = dict[str, Any]
Wanted = Callable[[Record], bool]

BLOCK = 32 * 2**10
LONGEST_LINE = 4 * 2**20
"""Bytes; a longer line is no record of ours."""
BYTES = 32 * 2**20
"""Read for one page at most. What is further down is on the next page."""
SECONDS = 0.5
_CURSOR = re.compile(r"(\d{1,17})((?:~[0-9a-f]{12}\.\d{1,15}){0,1000})")


@dataclass(slots=True)
class Budget:
    """What one page may still cost."""

    bytes: int = BYTES
    until: float = field(default_factory=lambda: time.monotonic() + SECONDS)

    @property
    def spent(self) -> bool:
        """Whether it is time to stop."""
        return self.bytes <= 0 or time.monotonic() >= self.until


@dataclass(frozen=True, slots=True)
class Page:
    """Records, newest first, and where the next page begins; None at the end of all there is. `complete` is False
    where the search stopped for the time it took: the next page may hold more."""

    records: list[Record]
    next: str | None
    complete: bool


class Backwards:
    """The records of one segment from its end, or from `end`, an offset in bytes. Lines that are no record are left
    out. `offset` is where the last record given begins."""

    def __init__(self, path: Path, budget: Budget, end: int | None = None) -> None:
        """Raises `OSError`."""
        self.name = path.name
        self._file: BinaryIO = path.open("rb")
        size = self._file.seek(0, 2)
        self.offset = size if end is None else min(end, size)
        self._budget = budget
        self._lines = self._read()

    def next(self) -> Record | None:
        """The record before the last one given; None at the beginning of the file, or where the budget is spent."""
        for start, line in self._lines:
            try:
                record = orjson.loads(line)
            except ValueError:  # cut off when a process was killed, or a disk was full
                record = None
            self.offset = start
            if isinstance(record, dict) and isinstance(record.get("time"), str):
                return record
        return None

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read(self) -> Iterator[tuple[int, bytes]]:
        position, rest = self.offset, b""
        while position > 0 and not self._budget.spent:
            taken = min(BLOCK, position)
            position -= taken
            self._file.seek(position)
            block = self._file.read(taken) + rest
            self._budget.bytes -= taken
            first, *whole = block.split(b"\n") if position > 0 else [b"", *block.split(b"\n")]
            end = position + len(block)
            for line in reversed(whole):
                start = end - len(line)
                if line:
                    yield start, line
                end = start - 1
            rest = first if len(first) <= LONGEST_LINE else b""


def newest(
    directory: Path,
    wanted: Wanted,
    limit: int,
    *,
    cursor: str | None = None,
    until_id: str | None = None,
    budget: Budget | None = None,
) -> Page:
    """At most `limit` records that are `wanted`, newest first as they were finished, from all segments of a folder.

    `cursor` is an earlier page's `next`; raises `ValueError` for any other text. Nothing at or below the record
    `until_id` is given. A folder that is not there holds nothing. Raises `OSError` for one that cannot be read.
    """
    budget = budget or Budget()
    as_of, reached = _read_cursor(cursor)
    merged = _Merged(directory, budget, reached)
    found: list[Record] = []
    try:
        while len(found) < limit and (record := merged.next()) is not None:
            if until_id is not None and record.get("request_id") == until_id:
                return Page(found, None, True)
            if moment_of(record) <= as_of and wanted(record):
                found.append(record)
        more = merged.more
        return Page(found, _cursor(as_of, merged.reached) if more else None, len(found) >= limit or not more)
    finally:
        merged.close()


class _Merged:
    """The records of many segments, newest first. A segment is opened when its turn may have come: none of its records
    is younger than the file."""

    def __init__(self, directory: Path, budget: Budget, reached: dict[str, int]) -> None:
        self._budget = budget
        self.reached = reached
        self._unopened = sorted(_segments(directory))
        self._readers: list[Backwards] = []
        self._heads: list[tuple[float, int, Record]] = []
        self._left_off = False

    @property
    def more(self) -> bool:
        """Whether there may be records that were not given."""
        return bool(self._heads or self._unopened or self._left_off)

    def next(self) -> Record | None:
        """The next record; None at the end, or where the budget is spent."""
        while self._unopened and (not self._heads or self._unopened[-1][0] >= -self._heads[0][0]):
            if self._budget.spent:
                return None
            self._open(self._unopened.pop()[1])
        if not self._heads:
            return None
        _, number, record = heapq.heappop(self._heads)
        reader = self._readers[number]
        self.reached[_short(reader.name)] = reader.offset
        self._push(number)
        return record

    def close(self) -> None:
        """Close every file."""
        for reader in self._readers:
            reader.close()

    def _open(self, path: Path) -> None:
        try:
            reader = Backwards(path, self._budget, self.reached.get(_short(path.name)))
        except FileNotFoundError:  # an old segment, deleted meanwhile
            return
        self._readers.append(reader)
        self._push(len(self._readers) - 1)

    def _push(self, number: int) -> None:
        reader = self._readers[number]
        if (record := reader.next()) is not None:
            heapq.heappush(self._heads, (-moment_of(record), number, record))
        elif self._budget.spent and reader.offset > 0:
            self._left_off = True


def moment_of(record: Mapping[str, Any]) -> float:
    """When a record's request came, in seconds since the epoch; 0 for a record that does not say."""
    try:
        return datetime.fromisoformat(str(record.get("time"))).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def _segments(directory: Path) -> Iterator[tuple[float, Path]]:
    for path in directory.glob("*.jsonl"):
        try:
            yield path.stat().st_mtime, path
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                raise


def _short(name: str) -> str:
    return hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=6).hexdigest()


def _cursor(as_of: float, reached: Mapping[str, int]) -> str:
    places = "".join(f"~{name}.{offset}" for name, offset in reached.items())
    return f"{int(as_of * 1000)}{places}"


def _read_cursor(cursor: str | None) -> tuple[float, dict[str, int]]:
    """Until when records count, and where in each segment begun the next page goes on. Whatever it holds, only
    segments of the folder are read, and whose records are seen is decided for each record."""
    if cursor is None:
        return time.time(), {}
    if (match := _CURSOR.fullmatch(cursor)) is None:
        raise ValueError("not a cursor of an earlier page")
    places = (place.split(".") for place in match[2].split("~")[1:])
    return int(match[1]) / 1000, {name: int(offset) for name, offset in places}
