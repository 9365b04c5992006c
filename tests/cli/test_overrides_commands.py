"""`tier-router overrides`: examples tested before a change, records audited after it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from custom_router.records.record import DomainFields
from tests.cli.cli_calls import run, write_policy
from tests.reports.lines import made, matched, write

DOMAINS = {
    "finance": {"rules": {"terms": ["mortgage", "hypoteca"]}},
    "treasury": {"teams": ["desk"], "rules": {"terms": ["swap"]}},
}
NOW = datetime.now(UTC).isoformat(timespec="milliseconds")


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    return write_policy(tmp_path, domains=DOMAINS)


def examples(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "examples.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_examples_that_are_recognised(tmp_path: Path, policy: Path) -> None:
    """A domain for certain teams is tested as one of them."""
    given = examples(
        tmp_path, "finance: [My mortgage is late]\ntreasury: [Price this swap]\nnone: [Hello, 'swap it']\n"
    )
    result = run("overrides", "test", given, "--policy", policy)
    assert result.exit_code == 0, result.output
    assert "finance      1 of 1" in result.stdout
    assert "none         2 of 2" in result.stdout


def test_each_miss_names_its_line_and_what_was_found(tmp_path: Path, policy: Path) -> None:
    text = "finance:\n  - My mortgage is late\n  - A home loan, please\nnone:\n  - Sing of a mortgage\n"
    given = examples(tmp_path, text)
    result = run("overrides", "test", given, "--policy", policy)
    assert result.exit_code == 1
    assert f"{given}:3: miss: expected finance, found no domain: A home loan, please" in result.stdout
    assert f"{given}:5: miss: expected no domain, found finance by term:mortgage: Sing of a mortgage" in result.stdout
    assert "2 of 3 examples missed" in result.stderr


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("medical: [insulin]\n", ":1: medical: no such domain"),
        ("finance: mortgage\n", ":1: finance: must be a list"),
        ("finance:\n  - x\n  - 7\n", ":3: finance.1: is no text"),
        ("", "must list prompts"),
        ("finance: [", "not valid YAML"),
    ],
)
def test_a_file_with_a_mistake_names_its_line(tmp_path: Path, policy: Path, text: str, says: str) -> None:
    given = examples(tmp_path, text)
    result = run("overrides", "test", given, "--policy", policy)
    assert result.exit_code == 1
    assert says in result.stderr


def test_what_cannot_be_tested_says_why(tmp_path: Path, policy: Path) -> None:
    assert run("overrides", "test", tmp_path / "none.yaml", "--policy", policy).exit_code == 2
    off = write_policy(tmp_path, mode="off")
    result = run("overrides", "test", "--policy", off)
    assert result.exit_code == 1
    assert "mode is off" in result.stderr


def test_the_shipped_examples_hold_with_the_shipped_policy() -> None:
    result = run("overrides", "test", "--policy", Path(__file__).resolve().parents[2] / "routing_policy.yaml")
    assert result.exit_code == 0, result.output


def test_an_audit_without_a_fault_says_so_and_by_which_rules(tmp_path: Path, policy: Path) -> None:
    records = write(tmp_path / "records", made(1, time=NOW), *(matched(n, time=NOW) for n in range(2, 5)))
    result = run("overrides", "audit", "--since", "1d", "--records", records, "--policy", policy)
    assert result.exit_code == 0, result.output
    assert "100 % of 3 matched requests" in result.stdout
    assert "term:mortgage" in result.stdout
    assert "the oldest record is of" in result.stdout


def test_an_audit_lists_what_went_to_a_lower_tier(tmp_path: Path, policy: Path) -> None:
    records = write(tmp_path / "records", matched(1, time=NOW), matched(2, tier="simple", time=NOW, mode="shadow"))
    arguments = ["overrides", "audit", "--since", "1d", "--records", records, "--policy", policy]
    result = run(*arguments)
    assert result.exit_code == 1
    assert "r2 finance by term:mortgage: simple instead of frontier; the policy's mode was shadow" in result.stdout
    assert "1 of 2 matched requests went to a lower tier" in result.stderr
    told = run(*arguments, "--json")
    assert told.exit_code == 1
    assert [v["request_id"] for v in json.loads(told.stdout)["violations"]] == ["r2"]


def test_what_lies_before_the_period_does_not_count(tmp_path: Path, policy: Path) -> None:
    before = (datetime.now(UTC) - timedelta(days=40)).isoformat()
    records = write(tmp_path / "records", matched(1, tier="simple", time=before), matched(2, time=NOW))
    result = run("overrides", "audit", "--since", "30d", "--records", records, "--policy", policy)
    assert result.exit_code == 0, result.output
    assert "the oldest record" not in result.stdout


def test_doubt_is_no_proof(tmp_path: Path, policy: Path) -> None:
    """Lines that cannot be read, and domains of which nobody knows what was required."""
    records = write(tmp_path / "records", matched(1, time=NOW))
    (records / "broken.jsonl").write_text("not a record\n")
    assert run("overrides", "audit", "--records", records, "--policy", policy).exit_code == 1
    unknown = matched(1, time=NOW, domain=DomainFields("gone", 1.0, "model"))
    records = write(tmp_path / "other", unknown)
    result = run("overrides", "audit", "--records", records, "--policy", policy)
    assert result.exit_code == 1
    assert "whose required tier is not recorded" in result.stdout


def test_an_audit_of_nothing_is_refused(tmp_path: Path, policy: Path) -> None:
    result = run("overrides", "audit", "--records", tmp_path / "nowhere", "--policy", policy)
    assert result.exit_code == 1
    assert "No such file or directory" in result.stderr
    assert run("overrides", "audit", "--since", "soon", "--policy", policy).exit_code == 2
