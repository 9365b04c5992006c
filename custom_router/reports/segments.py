"""The records of a span of time, streamed from the segments on disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from custom_router.reports.period import Period


@dataclass(slots=True)
class Seen:
    """What was read. `torn` lines are a segment's last, cut off when a process was killed or a disk was full; other
    lines that are no record are `unreadable`. `first` is the time of the oldest record on disk, in the span or not."""

    segments: int = 0
    records: int = 0
    torn: int = 0
    unreadable: int = 0
    first: datetime | None = None


def records_in(directory: Path, period: Period, seen: Seen) -> Iterator[dict[str, Any]]:
    """Every record made in the period, segment after segment; `seen` is told what was read. Raises `OSError`."""
    # A folder that is not there would otherwise be a clean bill.
    for path in sorted(path for path in directory.iterdir() if path.suffix == ".jsonl"):
        # A record is written after it was made, so an older segment holds none; its first line tells how far back.
        whole = path.stat().st_mtime >= period.start.timestamp()
        seen.segments += whole
        with path.open("rb") as lines:
            for line in lines:
                made = _record(line, seen)
                if made is None:
                    continue
                record, moment = made
                seen.first = moment if seen.first is None else min(seen.first, moment)
                if not whole:
                    break
                if moment in period:
                    seen.records += 1
                    yield record


def _record(line: bytes, seen: Seen) -> tuple[dict[str, Any], datetime] | None:
    try:
        record = orjson.loads(line)
        moment = datetime.fromisoformat(record["time"])
        if moment.tzinfo is None:
            raise ValueError("no time zone")
    except (ValueError, TypeError, KeyError):
        if line.endswith(b"\n"):
            seen.unreadable += bool(line.strip())
        else:
            seen.torn += 1
        return None
    return record, moment
