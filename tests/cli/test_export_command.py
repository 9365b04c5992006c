"""`tier-router export`: the Parquet file read back."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from custom_router.bench.synthetic_records import synthetic_records
from custom_router.records.record import DecisionRecord
from custom_router.reports.columns import JSON_COLUMNS
from custom_router.reports.export import record_columns
from tests.cli.cli_calls import run
from tests.reports.lines import NOVEMBER, made, write


@pytest.fixture
def records() -> list[DecisionRecord]:
    made_up = list(synthetic_records(50, NOVEMBER, seed=5))
    for record in made_up:
        record.text = "a secret prompt"
    return sorted(made_up, key=lambda record: record.request_id)


def test_nested_fields_are_as_they_were_and_text_is_not_there(tmp_path: Path, records: list[DecisionRecord]) -> None:
    folder = write(tmp_path / "records", *records, made(1, time="2026-10-31T00:00:00+00:00"))
    target = tmp_path / "it's.parquet"
    result = run("export", "--parquet", target, "--month", "2026-11", "--records", folder)
    assert result.exit_code == 0, result.output
    assert "50 records of 1 files" in result.stdout
    assert b"a secret prompt" not in target.read_bytes()
    with duckdb.connect() as connection:
        found = connection.execute(
            "SELECT * REPLACE (epoch_ms(time) AS time) FROM read_parquet(?) ORDER BY request_id", [str(target)]
        )
        names = [column[0] for column in found.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    for record, row in zip(records, rows, strict=True):
        expected = asdict(record)
        del expected["text"]
        assert row.pop("time") == round(1_000 * datetime.fromisoformat(expected.pop("time")).timestamp())
        assert row == expected


def test_text_comes_when_it_is_asked_for(tmp_path: Path, records: list[DecisionRecord]) -> None:
    folder = write(tmp_path / "records", *records)
    target = tmp_path / "all.parquet"
    arguments = ["export", "--parquet", target, "--month", "2026-11", "--records", folder]
    assert run(*arguments, "--with-text").exit_code == 0
    with duckdb.connect() as connection:
        assert connection.execute("SELECT DISTINCT text FROM read_parquet(?)", [str(target)]).fetchall() == [
            ("a secret prompt",)
        ]


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    folder = write(tmp_path / "records", made(1))
    (folder / "broken.jsonl").write_text("not a record\ntorn")
    result = run("export", "--parquet", tmp_path / "x.parquet", "--month", "2026-11", "--records", folder)
    assert result.exit_code == 0
    assert "1 lines of the records are unreadable" in result.stderr
    assert "1 files end in a torn line" in result.stderr


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    folder = write(tmp_path / "records", made(1))
    result = run("export", "--parquet", tmp_path / "nowhere" / "x.parquet", "--records", folder)
    assert result.exit_code == 1
    assert "nowhere" in result.stderr
    (tmp_path / "kept.parquet").write_text("as before")
    result = run("export", "--parquet", tmp_path / "kept.parquet", "--records", tmp_path / "missing")
    assert result.exit_code == 1
    assert (tmp_path / "kept.parquet").read_text() == "as before"
    assert not list(tmp_path.glob("*.part"))


def test_the_columns_that_reports_read_are_the_records() -> None:
    """Names that a record does not have would be null for ever."""
    shape = DecisionRecord("", "", "", "", "", False, made().tenant)
    whole = record_columns()
    assert set(JSON_COLUMNS) <= set(whole)
    for name, kind in JSON_COLUMNS.items():
        for part in kind.removeprefix("STRUCT(").removesuffix(")").split(", ") if kind.startswith("STRUCT(") else ():
            field = part.partition(" ")[0].removeprefix("STRUCT(")
            known = {*asdict(shape)[name], "simple", "medium", "frontier"}
            assert field in known, f"{name}.{field}"
