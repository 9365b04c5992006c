"""Records streamed from segments: what counts, what is torn, what is passed over."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from custom_router.reports.period import month
from custom_router.reports.segments import Seen, records_in
from tests.reports.lines import made, write

NOVEMBER = month("2026-11")


def read(folder: Path) -> tuple[list[str], Seen]:
    seen = Seen()
    return [record["request_id"] for record in records_in(folder, NOVEMBER, seen)], seen


def test_only_records_of_the_period_come(tmp_path: Path) -> None:
    times = ["2026-10-31T23:59:59.999+00:00", "2026-11-01T00:00:00.000+00:00", "2026-12-01T00:00:00.000+00:00"]
    write(tmp_path, *(made(number, time=time) for number, time in enumerate(times)))
    found, seen = read(tmp_path)
    assert found == ["r1"]
    assert (seen.records, seen.segments) == (1, 1)
    assert seen.first == datetime.fromisoformat(times[0])


def test_an_older_segment_is_looked_at_for_its_age_only(tmp_path: Path) -> None:
    write(tmp_path, made(1), made(2), name="old.jsonl")
    before = datetime(2026, 10, 1, tzinfo=UTC).timestamp()
    os.utime(tmp_path / "old.jsonl", (before, before))
    write(tmp_path, made(3), name="new.jsonl")
    found, seen = read(tmp_path)
    assert (found, seen.segments) == (["r3"], 1)
    assert seen.first is not None


def test_torn_and_unreadable_lines_are_told_apart(tmp_path: Path) -> None:
    folder = write(tmp_path, made(1))
    path = folder / "decisions-1.jsonl"
    whole = path.read_bytes()
    path.write_bytes(b'garbage\n[1]\n{"time": 3}\n{"time": "2026-11-01"}\n\n' + whole + whole[:40])
    found, seen = read(tmp_path)
    assert found == ["r1"]
    assert (seen.unreadable, seen.torn) == (4, 1)


def test_other_files_and_folders_are_left_alone(tmp_path: Path) -> None:
    write(tmp_path / "feedback", made(9))
    write(tmp_path, made(9), name="notes.txt")
    assert read(tmp_path)[0] == []


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="missing"):
        read(tmp_path / "missing")
