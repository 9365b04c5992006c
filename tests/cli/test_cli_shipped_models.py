"""The shipped policy with the shipped models: route and explain agree, and a line does not depend on its neighbours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from custom_router.bundle import shipped_policy_text
from tests.cli.cli_calls import run

PROMPTS = ["hi", "Prove that there are infinitely many primes congruent to 3 modulo 4.", "hi"]


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "routing_policy.yaml"
    path.write_text(shipped_policy_text(), "utf-8")
    return path


def test_route_and_explain_say_the_same(policy: Path) -> None:
    given = "".join(json.dumps({"id": i, "prompt": prompt}) + "\n" for i, prompt in enumerate(PROMPTS))
    result = run("route", "--policy", policy, given=given)
    assert result.exit_code == 0
    easy, hard, again = map(json.loads, result.stdout.splitlines())
    assert easy["source"].startswith("embedding/")
    assert {**easy, "id": 2} == again
    assert 0.0 <= easy["complexity"] < hard["complexity"] <= 10.0
    explained = json.loads(run("explain", PROMPTS[1], "--json", "--policy", policy).stdout)
    assert {m["tier"]: m["p_ok"] for m in explained["margins"]} == {
        tier: p for tier, p in hard["p_ok"].items() if tier != "frontier"
    }
    assert [c["code"] for c in explained["causes"]] == hard["causes"]
    assert explained["tier"] == hard["tier"]


def test_encoder_fetch_says_what_it_found() -> None:
    result = run("encoder", "fetch")
    assert result.exit_code == 0
    facts = dict(line.split(None, 1) for line in result.stdout.splitlines())
    assert list(facts) == ["version", "source", "agreement", "path"]
    assert Path(facts["path"]).is_file()
