"""Which record files were deleted to make room, and what time they covered: noted beside the records, so that no report
takes what is left for all there was."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path

import orjson

logger = logging.getLogger(__name__)

FOLDER = "pruned"
"""Within the folder of the records: `<folder>/<first segment's name>`, one file for each process that deleted any."""


class Pruning:
    """One process's notes: a line for each segment that it deletes. For one thread."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._notes: Path | None = None

    def delete(self, segment: Path, since: datetime, until: datetime) -> None:
        """Delete a segment that holds what was written between two times, noted first: a process that is killed in
        between has told too much rather than too little. Never raises."""
        try:
            if not segment.exists():  # taken elsewhere, and not lost
                return
            self._note(segment, since, until)
        except OSError as error:
            logger.warning("a deleted record segment is not noted, reports will not know of it: %s", error)
        remove(segment)

    def _note(self, segment: Path, since: datetime, until: datetime) -> None:
        line = {"segment": segment.name, "since": since.isoformat(), "until": until.isoformat()}
        if self._notes is None:
            logger.warning(
                "decision records are deleted to make room: this process keeps its last %d closed files in %s, and "
                "those up to %s are gone. Reports and bills say so. Copy files elsewhere in time, or raise "
                "records.keep_segments",
                self._keep, segment.parent, until.isoformat(timespec="seconds"),
            )  # fmt: skip
            self._notes = segment.parent / FOLDER / segment.name
        self._notes.parent.mkdir(exist_ok=True)
        with self._notes.open("ab") as file:
            file.write(orjson.dumps(line) + b"\n")


def remove(segment: Path) -> None:
    """Delete a file. Never raises."""
    try:
        segment.unlink(missing_ok=True)
    except OSError as error:
        logger.warning("old record segment stays: %s", error)


def last_written(segment: Path) -> datetime:
    """When a file was last written to. Raises `OSError`."""
    return datetime.fromtimestamp(segment.stat().st_mtime, UTC)
