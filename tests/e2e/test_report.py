"""The report of a real proxy's records is what the records add up to, and knows what callers thought of them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.cli.cli_calls import run
from tests.e2e.conftest import Proxy, wait_until
from tests.reports import naive


def reported(folder: Path) -> dict[str, Any]:
    result = run("report", "--since", "1d", "--records", folder, "--json")
    assert result.exit_code == 0, result.output
    told: dict[str, Any] = orjson.loads(result.stdout)
    return told


def figure(report: dict[str, Any], path: str) -> Any:
    value: Any = report
    for key in path.split("."):
        value = value[key]
    return value


def test_a_real_proxys_records(fresh: Proxy, tmp_path: Path) -> None:
    prompts = ["Say hello in one word.", "What does my mortgage contract say about early repayment?", "2 + 2?"]
    answers = [fresh.chat(prompt, user=f"user-{n}") for n, prompt in enumerate(prompts)]
    fresh.chat("Tell me a story.", stream=True)
    ids = [answer.headers["x-router-request-id"] for answer in answers]
    for request_id, score in zip(ids, (1.0, -1.0, 0.5), strict=True):
        fresh.records_of(request_id)
        told = fresh.http.post("/router/feedback", json={"request_id": request_id, "score": score})
        assert told.status_code == 200, told.text
    wait_until(lambda: reported(fresh.stack.records)["quality"]["labelled"] >= len(ids))
    # The proxy is other tests' too: what is compared must stand still.
    folder = tmp_path / "records"
    shutil.copytree(fresh.stack.records, folder)
    known = [orjson.loads(line) for path in folder.glob("*.jsonl") for line in path.read_bytes().splitlines()]
    report = reported(folder)
    for name, expected in naive.totals(known).items():
        assert figure(report, name) == (expected if expected is None else pytest.approx(expected, rel=1e-9)), name
    assert report["requests"] >= 4
    assert (report["read"]["torn"], report["read"]["unreadable"]) == (0, 0)
    assert report["domains"]["finance"] >= 1
    assert report["cost"]["compared"] > 0, "every tier has a price"
    named = {line["name"]: line for line in report["by"]["end_user"]}
    assert [named[f"user-{n}"]["feedback"] for n in range(3)] == [1.0, -1.0, 0.5]
    page = tmp_path / "report.html"
    assert run("report", "--since", "1d", "--records", folder, "--html", page).exit_code == 0
    assert "finance" in page.read_text()
