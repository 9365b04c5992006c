"""`tier-router bill` as typed."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from custom_router.records.record import CostFields, Tenant
from tests.cli.cli_calls import run, write_policy
from tests.reports.lines import made, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    red = {"tenant": Tenant("t1", "red", "bot", "h1"), "cost": CostFields(total=1.5, saved=2.0)}
    blue = {"tenant": Tenant("t2", "blue", "toy", "h2"), "cost": CostFields(total=0.25, saved=0.5)}
    return write(
        tmp_path / "records",
        made(1, **red),
        made(2, **blue),
        made(3, **red, time="2026-12-01T00:00:00.000+00:00"),
    )


def test_a_month_of_everybody_and_of_one_team(folder: Path, tmp_path: Path) -> None:
    policy = write_policy(tmp_path)
    everybody = run("bill", "--month", "2026-11", "--records", folder, "--policy", policy)
    assert everybody.exit_code == 0, everybody.output
    assert "1.7500" in everybody.stdout
    assert "note: the oldest record is of 2026-11-10" in everybody.stdout
    one = run("bill", "--month", "2026-11", "--team", "blue", "--records", folder, "--policy", policy)
    assert "0.2500" in one.stdout
    assert "red" not in one.stdout


def test_the_other_forms_go_to_a_file(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "bill.html"
    arguments = ["bill", "--month", "2026-11", "--records", folder]
    assert run(*arguments, "--format", "html", "--output", page).exit_code == 0
    assert page.read_text().startswith("<!doctype html>")
    rows = list(csv.DictReader(io.StringIO(run(*arguments, "--format", "csv").stdout)))
    assert {row["team"]: float(row["cost_usd"]) for row in rows} == {"red": 1.5, "blue": 0.25}


@pytest.mark.parametrize(
    ("more", "code", "says"),
    [
        (["--month", "November"], 2, "no month"),
        (["--month", "2026-11", "--team", "green"], 1, "no request of team 'green' in 2026-11, among 2"),
        (["--month", "2026-11", "--format", "pdf"], 2, "pdf"),
    ],
)
def test_what_cannot_be_billed_says_why(folder: Path, more: list[str], code: int, says: str) -> None:
    result = run("bill", "--records", folder, *more)
    assert (result.exit_code, says in result.stderr) == (code, True)


def test_a_folder_that_is_not_there_is_no_bill_of_nothing(tmp_path: Path) -> None:
    result = run("bill", "--month", "2026-11", "--records", tmp_path / "missing")
    assert result.exit_code == 1
    assert "--records" in result.stderr


def test_what_is_missing_is_said(folder: Path, tmp_path: Path) -> None:
    (folder / "broken.jsonl").write_text("not a record\ntorn")
    result = run("bill", "--month", "2026-11", "--records", folder, "--format", "csv")
    assert "1 lines of the records are unreadable" in result.stderr
    assert "1 files end in a torn line" in result.stderr
