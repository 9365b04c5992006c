"""`tier-router report` as typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from custom_router.records.record import CostFields, Tenant
from tests.cli.cli_calls import run, write_policy
from tests.reports.lines import made, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    red = {"tenant": Tenant("t1", "red", "bot", "h1"), "cost": CostFields(total=1.5, saved=2.0)}
    blue = {"tenant": Tenant("t2", "blue", "toy", "h2"), "cost": CostFields(total=0.25, saved=0.5)}
    after = made(3, **red, time="2026-12-01T00:00:00.000+00:00")
    return write(tmp_path / "records", made(1, **red), made(2, **blue), after)


def test_a_month_as_json(folder: Path) -> None:
    result = run("report", "--month", "2026-11", "--records", folder, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["requests"], told["cost"]["total"], told["cost"]["saved"]) == (2, 1.75, 2.5)
    assert [(line["name"], line["cost"]) for line in told["by"]["team"]] == [("red", 1.5), ("blue", 0.25)]
    assert any("the oldest record is of 2026-11-10" in note for note in told["notes"])


def test_the_folder_is_the_policys_unless_it_is_named(folder: Path, tmp_path: Path) -> None:
    policy = write_policy(tmp_path, records={"directory": str(folder)})
    result = run("report", "--month", "2026-11", "--policy", policy, "--json")
    assert json.loads(result.stdout)["requests"] == 2


@pytest.mark.parametrize(
    ("more", "code", "says"),
    [
        (["--month", "November"], 2, "no month"),
        (["--since", "soon"], 2, "neither a length"),
        (["--since", "7d", "--month", "2026-11"], 2, "not both"),
        (["--fixed-usd-per-month", "-1"], 2, "fixed-usd"),
    ],
)
def test_what_is_typed_wrongly_says_why(folder: Path, more: list[str], code: int, says: str) -> None:
    result = run("report", "--records", folder, *more)
    assert (result.exit_code, says in result.stderr) == (code, True)


@pytest.mark.parametrize("missing", ["nowhere", "nowhere/*.jsonl"])
def test_records_that_are_not_there_are_no_report_of_nothing(tmp_path: Path, missing: str) -> None:
    result = run("report", "--records", tmp_path / missing)
    assert result.exit_code == 1
    assert "--records" in result.stderr
