"""Files that workers deleted to make room: reports, bills and projections know of them."""

from __future__ import annotations

import gzip
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from custom_router.records import sinks
from custom_router.records.sinks import JsonLinesSink
from custom_router.reports.period import Period
from custom_router.reports.projection import MONTH_DAYS
from custom_router.reports.report import run_report
from custom_router.reports.store import open_store
from tests.cli.cli_calls import run
from tests.reports.lines import made, write

WEEK = Period(datetime(2026, 11, 8, tzinfo=UTC), datetime(2026, 11, 15, tzinfo=UTC))


def noted(folder: Path, *gone: tuple[str, datetime, datetime]) -> None:
    """What a worker notes of the segments that it deletes."""
    (folder / "pruned").mkdir(parents=True, exist_ok=True)
    lines = ({"segment": name, "since": since.isoformat(), "until": until.isoformat()} for name, since, until in gone)
    (folder / "pruned" / gone[0][0]).write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An old file of an ended process, an idle worker's, and the last day of a busy one that deleted six."""
    write(tmp_path, made(1, time="2026-10-01T00:00:00.000+00:00"), made(2, time="2026-11-09T00:00:00.000+00:00"))
    busy = (made(n, time=f"2026-11-14T{n % 24:02}:00:00.000+00:00") for n in range(1, 49))
    write(tmp_path, *busy, name="decisions-busy-7.jsonl")
    days = [WEEK.start + timedelta(days=n) for n in range(7)]
    noted(
        tmp_path,
        *((f"decisions-busy-{n}.jsonl", days[n], days[n + 1]) for n in range(6)),
        ("decisions-older.jsonl", WEEK.start - timedelta(days=9), WEEK.start - timedelta(days=8)),
    )
    return tmp_path


def test_a_report_tells_the_hole_that_an_old_file_would_hide(folder: Path) -> None:
    report = run_report(str(folder), WEEK)
    assert report.read.gaps == [Period(WEEK.start, WEEK.start + timedelta(days=6))]
    assert [note for note in report.notes if "2026-11-08 00:00 to 2026-11-14 00:00 UTC" in note]
    assert report.requests == 49
    # 48 of one whole day, not 49 of seven.
    assert report.projection.month_requests == round(48 * MONTH_DAYS)


def test_a_bill_and_an_audit_tell_it_too(folder: Path) -> None:
    told = "files to make room (records.keep_segments)"
    bill = run("bill", "--month", "2026-11", "--records", str(folder))
    assert bill.exit_code == 0, bill.output
    assert told in bill.stdout
    assert "2026-11-08 00:00 to 2026-11-14 00:00 UTC" in bill.stdout
    before = run("bill", "--month", "2026-10", "--records", str(folder))
    assert told in before.stdout, "of October one day is gone"
    audit = run("overrides", "audit", "--since", "2026-11-01", "--records", str(folder))
    assert told in audit.output
    shown = orjson.loads(run("overrides", "audit", "--since", "2026-11-01", "--records", str(folder), "--json").stdout)
    assert [gap["end"] for gap in shown["gaps"]] == ["2026-11-14T00:00:00+00:00"]
    exported = run("export", "--parquet", str(folder / "x.parquet"), "--month", "2026-11", "--records", str(folder))
    assert told in exported.output


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_a_copy_that_was_made_in_time_fills_the_gap(tmp_path: Path, ending: str) -> None:
    noted(tmp_path, ("decisions-9.jsonl", WEEK.start, WEEK.end))
    (tmp_path / f"decisions-9.jsonl{ending}").write_bytes(gzip.compress(b"") if ending else b"")
    with open_store(str(tmp_path), WEEK) as store:
        assert store.read.gaps == []


def test_notes_that_are_torn_or_foreign_break_nothing(tmp_path: Path) -> None:
    noted(tmp_path, ("decisions-9.jsonl", WEEK.start, WEEK.end))
    with (tmp_path / "pruned" / "decisions-9.jsonl").open("ab") as file:
        file.write(b'[]\n{"segment": 3, "since": "x", "until": []}\n{"segment": "decisions-10.jsonl", "si')
    with open_store(str(tmp_path), WEEK) as store:
        assert store.read.gaps == [WEEK]


def test_what_a_worker_notes_is_what_a_report_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sinks, "FLUSH_SECONDS", 0.0)
    begun = datetime.now(UTC)
    workers = [JsonLinesSink(tmp_path, segment_bytes=1, keep=1, queue_size=100) for _ in range(2)]
    for number in range(5):
        for worker in workers:
            worker.write(made(number, time=datetime.now(UTC).isoformat(timespec="milliseconds")))
            assert worker.flush()
    notes = list((tmp_path / "pruned").iterdir())
    assert sorted(len(path.read_bytes().splitlines()) for path in notes) == [3, 3]
    assert caplog.text.count("decision records are deleted to make room") == 2, "once for each process"
    period = Period(begun - timedelta(days=1), datetime.now(UTC) + timedelta(days=1))
    report = run_report(str(tmp_path), period)
    assert report.requests == 4
    (gap,) = report.read.gaps
    newest = max(path.stat().st_mtime for path in tmp_path.glob("*.jsonl"))
    assert period.start < gap.start < gap.end <= datetime.fromtimestamp(newest, UTC)


def test_a_file_that_was_taken_elsewhere_is_no_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sinks, "FLUSH_SECONDS", 0.0)
    (tmp_path / "archive").mkdir()
    sink = JsonLinesSink(tmp_path / "records", segment_bytes=1, keep=1, queue_size=100)
    for number in range(4):
        sink.write(made(number))
        assert sink.flush()
        for path in sorted((tmp_path / "records").glob("*.jsonl"))[:-1]:
            os.replace(path, tmp_path / "archive" / path.name)
    assert len(list((tmp_path / "archive").iterdir())) == 3
    assert not (tmp_path / "records" / "pruned").exists()
