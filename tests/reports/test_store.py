"""Records read from files: what counts, what is torn, what is passed over, what other versions wrote."""

from __future__ import annotations

import gzip
import os
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from custom_router.reports import store
from custom_router.reports.period import Period, month
from custom_router.reports.source import Source
from custom_router.reports.store import Read, open_store
from tests.reports.lines import NOVEMBER, TIME, made, matched, write


def read(records: Path | str) -> tuple[list[str], Read]:
    """The ids of the records read, which are kept of matched ones only, and what was read."""
    with open_store(str(records), NOVEMBER) as opened:
        return [id_ for (id_,) in opened.rows("SELECT request_id FROM requests ORDER BY request_id")], opened.read


def test_only_records_of_the_period_come(tmp_path: Path) -> None:
    times = [
        "2026-10-31T23:59:59.999+00:00", "2026-11-01T00:00:00.000+00:00", "2026-12-01T00:30:00.000+01:00",
        "2026-12-01T00:00:00.000+00:00",
    ]  # fmt: skip
    write(tmp_path, *(matched(number, time=time) for number, time in enumerate(times)))
    found, seen = read(tmp_path)
    assert found == ["r1", "r2"]
    assert (seen.records, seen.segments) == (2, 1)
    assert seen.first == datetime.fromisoformat(times[0])


def test_an_older_segment_is_looked_at_for_its_age_only(tmp_path: Path) -> None:
    write(tmp_path, made(1, time="2026-09-01T00:00:00+00:00"), name="old.jsonl")
    before = datetime(2026, 10, 1, tzinfo=UTC).timestamp()
    os.utime(tmp_path / "old.jsonl", (before, before))
    write(tmp_path, matched(3), name="new.jsonl")
    found, seen = read(tmp_path)
    assert (found, seen.segments) == (["r3"], 1)
    assert seen.first == datetime(2026, 9, 1, tzinfo=UTC)


def test_torn_and_unreadable_lines_are_told_apart(tmp_path: Path) -> None:
    folder = write(tmp_path, matched(1))
    path = folder / "decisions-1.jsonl"
    whole = path.read_bytes()
    bad = b'garbage\n[1]\n{"time": 3}\n{"time": "2026-11-01"}\n{"time": "2026-11-01T10:00:00"}\n\xff\xfe\n'
    path.write_bytes(bad + b"\n" + whole + whole[:40])
    found, seen = read(tmp_path)
    assert found == ["r1"]
    assert (seen.unreadable, seen.torn) == (6, 1)


def test_a_last_line_without_its_end_is_a_record_if_it_is_whole(tmp_path: Path) -> None:
    path = write(tmp_path, matched(1), matched(2)) / "decisions-1.jsonl"
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    found, seen = read(tmp_path)
    assert found == ["r1", "r2"]
    assert (seen.unreadable, seen.torn) == (0, 0)


def test_fields_that_are_missing_new_or_of_another_type_break_nothing(tmp_path: Path) -> None:
    older = {"time": TIME, "request_id": "old", "domain": {"name": "finance"}, "tier": "simple"}
    newer = {**orjson.loads(matched(2).to_json()), "more": {"nested": [1]}}
    newer["cost"] = {"total": 0.5, "saved": "a lot", "alternatives": {"simple": 0.1, "turbo": 3}}
    newer["latency_ms"] = {"total": 5, "teleport": 1.5, "odd": "?"}
    strange = {
        **older,
        "request_id": "odd",
        "causes": "score",
        "tokens": {"input": {}},
        "latency_ms": [1],
        "cache": None,
    }
    (tmp_path / "mixed.jsonl").write_bytes(b"".join(orjson.dumps(r) + b"\n" for r in (older, newer, strange)))
    with open_store(str(tmp_path), NOVEMBER) as opened:
        assert (opened.read.records, opened.read.unreadable) == (3, 0)
        rows = opened.rows(
            "SELECT request_id, cost, saved, at_simple, causes, total_ms FROM requests ORDER BY request_id"
        )
        assert rows == [
            ("odd", None, None, None, [], None),
            ("old", None, None, None, [], None),
            ("r2", 0.5, None, 0.1, [], 5.0),
        ]
        (stages,) = opened.row("SELECT latency_ms FROM requests WHERE request_id = 'r2'")
        assert stages["teleport"] == 1.5


def test_other_files_and_folders_are_left_alone(tmp_path: Path) -> None:
    write(tmp_path / "feedback", made(9))
    write(tmp_path, made(9), name="notes.txt")
    found, seen = read(tmp_path)
    assert (found, seen) == ([], Read())


def test_packed_files_single_files_and_patterns(tmp_path: Path) -> None:
    path = write(tmp_path / "a [1]", matched(1)) / "decisions-1.jsonl"
    (tmp_path / "a [1]" / "older.jsonl.gz").write_bytes(gzip.compress(matched(2).to_json() + b"\n"))
    write(tmp_path / "b", matched(3))
    assert read(tmp_path / "a [1]")[0] == ["r1", "r2"]
    assert read(path)[0] == ["r1"]
    assert read(f"{tmp_path}/*/*.jsonl")[0] == ["r1", "r3"]


@pytest.mark.parametrize("where", ["missing", "missing/*.jsonl"])
def test_records_that_are_not_there_are_an_error(tmp_path: Path, where: str) -> None:
    with pytest.raises(OSError, match="missing"):
        read(tmp_path / where)


def test_a_packed_file_that_is_none_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "broken.jsonl.gz").write_bytes(b"{}")
    with pytest.raises(OSError, match="gzip"):
        read(tmp_path)


def test_a_packed_file_that_is_cut_off_gives_what_it_holds(tmp_path: Path) -> None:
    lines = b"".join(matched(number).to_json() + b"\n" for number in range(50))
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(lines, 0)[:-3_000])
    found, seen = read(tmp_path)
    assert 30 < len(found) < 50
    assert seen.unreadable == 1


def test_the_last_word_of_feedback_counts_for_its_own_request_only(tmp_path: Path) -> None:
    write(tmp_path, made(1), made(2), made(3))
    (tmp_path / "feedback").mkdir()
    lines = [
        {"request_id": "r1", "time": "2026-11-11T00:00:00.000+00:00", "score": -1},
        {"request_id": "r1", "time": "2026-11-10T00:00:00.000+00:00", "score": 1},
        {"request_id": "r2", "time": "2026-11-10T00:00:00.000+00:00", "score": 0.5, "label": "x", "tags": ["a"]},
        {"request_id": "elsewhere", "time": "2026-11-10T00:00:00.000+00:00", "score": 1},
        {"request_id": "r3", "time": "2026-11-10T00:00:00.000+00:00"},
    ]
    content = b"".join(orjson.dumps(line) + b"\n" for line in lines) + b"torn"
    (tmp_path / "feedback" / "feedback-1.jsonl").write_bytes(content)
    with open_store(str(tmp_path), month("2026-11")) as opened:
        scores = [score for (score,) in opened.rows("SELECT score FROM requests ORDER BY score NULLS LAST")]
    assert scores == [-1.0, 0.5, None]


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    with open_store(str(write(tmp_path / "records", made(1))), NOVEMBER):
        assert list(scratch.iterdir())
    assert not list(scratch.iterdir())


def test_a_file_that_a_worker_deletes_meanwhile_does_not_fail_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path, matched(1))
    (gone := folder / "decisions-0.jsonl").write_bytes(matched(0).to_json() + b"\n")
    found = store.find_local

    def deleted_after(records: str, period: Period) -> Source:
        source = found(records, period)
        gone.unlink(missing_ok=True)
        return source

    monkeypatch.setattr(store, "find_local", deleted_after)
    ids, seen = read(folder)
    assert (ids, seen.segments, seen.records) == (["r1"], 1, 1)
