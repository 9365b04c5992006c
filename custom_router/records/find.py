"""One request's record among the segments on disk."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any


def segments_newest_first(directory: Path) -> list[Path]:
    """The record files of a folder. Raises `OSError`."""
    return [path for _, path in _written(directory)]


def _written(directory: Path) -> list[tuple[float, Path]]:
    found = []
    for path in directory.glob("*.jsonl"):
        with suppress(FileNotFoundError):  # an old segment, deleted meanwhile
            found.append((path.stat().st_mtime, path))
    return sorted(found, reverse=True)


_BLOCK = 2**20


def _any(record: dict[str, Any]) -> bool:
    return True


def find_in(segment: Path, request: str, mine: Callable[[dict[str, Any]], bool] = _any) -> dict[str, Any] | None:
    """The first record of a request id, or a LiteLLM call id, in one file that is `mine`: a client can choose the
    call id, so that another's may be the same. Raises `OSError`."""
    needle = request.encode("utf-8", "surrogateescape")
    with segment.open("rb") as file:
        rest = b""
        # In blocks: going through the lines of a large file would keep every other thread waiting.
        while block := file.read(_BLOCK):
            whole, end, begun = (rest + block).rpartition(b"\n")
            rest = begun
            if end and (found := _among(whole, needle, request, mine)) is not None:
                return found
        return _among(rest, needle, request, mine)


@dataclass(frozen=True, slots=True)
class Found:
    """A record, if it was found; `complete` is False where the search stopped before the last segment."""

    record: dict[str, Any] | None
    complete: bool = True


def find_newest(
    directory: Path,
    request: str,
    limit_bytes: int,
    mine: Callable[[dict[str, Any]], bool] = _any,
    made: datetime | None = None,
) -> Found:
    """The same in a whole folder, in the newest segments first, until more than `limit_bytes` have been gone through.

    Where it is known when the record was `made`, the search begins with the segments that were written to from then
    on, the oldest of them first, since a worker's next one holds what came later. Raises `OSError`.
    """
    read = 0
    written, since = _written(directory), made.timestamp() if made is not None else math.inf
    later = [path for at, path in written if at >= since]
    for segment in [*reversed(later), *(path for at, path in written if at < since)]:
        if read > limit_bytes:
            return Found(None, complete=False)
        try:
            read += segment.stat().st_size
            if (found := find_in(segment, request, mine)) is not None:
                return Found(found)
        except FileNotFoundError:  # an old segment, deleted meanwhile
            continue
    return Found(None)


def _among(lines: bytes, needle: bytes, request: str, mine: Callable[[dict[str, Any]], bool]) -> dict[str, Any] | None:
    at = lines.find(needle)
    while at >= 0:
        start = lines.rfind(b"\n", 0, at) + 1
        end = lines.find(b"\n", at)
        end = len(lines) if end < 0 else end
        try:
            record: object = json.loads(lines[start:end])
        except ValueError:  # the last line of a process that was killed while writing
            record = None
        ids = (record.get("request_id"), record.get("litellm_call_id")) if isinstance(record, dict) else ()
        if isinstance(record, dict) and request in ids and mine(record):
            return record
        at = lines.find(needle, end)
    return None
