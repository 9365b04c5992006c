"""What is left of a budget: all of LiteLLM's that hold a request, those alone, and as spent as they are right now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests.e2e.conftest import wait_until
from tests.e2e.gate_stack import gate_policy
from tests.e2e.keyed_stack import KeyedProxy, keyed_proxy

REFUSED = "A refused one?"
"""Its simple answer is one that the gate replaces by the frontier's, which costs more than `LEFT`."""
DEAR = "It was a long day at the harbour. " * 200
LEFT = 1e-4
"""Dollars that pay for a simple answer."""


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyedProxy]:
    work = tmp_path_factory.mktemp("budgets")
    with keyed_proxy(work, gate_policy(work)) as proxy:
        yield proxy


def _user(keyed: KeyedProxy, **fields: Any) -> str:
    return str(keyed.made("/user/new", user_id=f"user-{uuid4().hex}", auto_create_key=False, **fields)["user_id"])


def _member(keyed: KeyedProxy, team: str, **fields: Any) -> str:
    member = _user(keyed)
    keyed.made("/team/member_add", team_id=team, member={"role": "user", "user_id": member}, **fields)
    return member


def _organisation(keyed: KeyedProxy, name: str, dollars: float) -> str:
    """LiteLLM makes organisations for its paying customers only, and holds to their budgets for everybody."""
    budget = 'INSERT INTO "LiteLLM_BudgetTable" (budget_id, max_budget, created_by, updated_by) VALUES (%s, %s, %s, %s)'
    itself = (
        'INSERT INTO "LiteLLM_OrganizationTable"'
        " (organization_id, organization_alias, budget_id, models, created_by, updated_by)"
        " VALUES (%s, %s, %s, %s, %s, %s)"
    )
    with psycopg.connect(keyed.database) as connection:
        connection.execute(budget, (name, dollars, "test", "test"))
        connection.execute(itself, (name, name, name, ["auto"], "test", "test"))
    return name


def _key_with(keyed: KeyedProxy, owner: str, dollars: float) -> str:
    """A key that one budget holds, the owner's."""
    name = f"{owner}-{uuid4().hex}"
    match owner:
        case "key":
            return keyed.key(max_budget=dollars)
        case "window":
            return keyed.key(budget_limits=[{"budget_duration": "1d", "max_budget": dollars}])
        case "user":
            return keyed.key(user_id=_user(keyed, max_budget=dollars))
        case "team":
            return keyed.key(team_id=keyed.team(name, max_budget=dollars))
        case "member":
            team = keyed.team(name)
            return keyed.key(team_id=team, user_id=_member(keyed, team, max_budget_in_team=dollars))
        case _:
            return keyed.key(team_id=keyed.team(name, organization_id=_organisation(keyed, name, dollars)))


def _frontier(keyed: KeyedProxy, key: str) -> float:
    """Dollars for one dear answer, just spent."""
    headers = {"Authorization": f"Bearer {key}", "x-router-tier": "frontier"}
    # Another one each time: no provider has it in its cache.
    record = keyed.record(keyed.ask("chat", f"{uuid4().int % 10**8:08} {DEAR}", max_tokens=4, headers=headers))
    assert record["tier"] == "frontier"
    return float(record["cost"]["total"])


@pytest.mark.parametrize("owner", ["key", "window", "user", "team", "member", "organisation"])
def test_what_was_spent_a_moment_ago_is_not_spent_again(keyed: KeyedProxy, owner: str) -> None:
    dear = _frontier(keyed, keyed.key())
    key = _key_with(keyed, owner, dear + LEFT)
    assert _frontier(keyed, key) == pytest.approx(dear, abs=LEFT / 4)
    answers: list[httpx.Response] = []

    def admitted() -> bool:
        """LiteLLM holds all of a scarce budget back for a request until it has billed it."""
        answers.append(keyed.ask_as(key, "chat", REFUSED, stream=len(answers) % 2 == 1))
        assert answers[-1].status_code == 200 or "budget" in answers[-1].text.lower(), answers[-1].text
        return answers[-1].status_code == 200

    for _ in range(2):
        wait_until(admitted)
        record = keyed.record(answers[-1])
        assert (record["tier"], "gate_over_budget" in record["causes"]) == ("simple", True)
    assert keyed.record(keyed.ask_as(keyed.key(), "chat", REFUSED))["tier"] == "frontier"


def test_the_own_budget_of_a_user_does_not_hold_the_keys_of_a_team(keyed: KeyedProxy) -> None:
    poor = _user(keyed, max_budget=1e-9)
    key = keyed.key(team_id=keyed.team(f"shared-{poor}"), user_id=poor)
    assert keyed.record(keyed.ask_as(key, "chat", REFUSED))["tier"] == "frontier"
    keyed.reset()
    keyed.fault("refuse", "deepseek", "hosted_vllm", "gemini", "openai")
    try:
        record = keyed.record(keyed.ask_as(key, "chat", "A word?"))
    finally:
        keyed.reset()
    assert (record["tier"], "fallback_over_budget" in record["causes"]) == ("frontier", False)


@pytest.mark.parametrize("owner", ["key", "team"])
def test_a_caller_near_its_budget_is_routed_down_at_once(keyed: KeyedProxy, owner: str) -> None:
    key = _key_with(keyed, owner, 1.0)
    headers = {"Authorization": f"Bearer {key}", "x-router-tier": "frontier"}

    def asked() -> tuple[str, bool]:
        record = keyed.record(keyed.ask("chat", "A sure one?", headers=headers))
        return record["tier"], "near_budget" in record["causes"]

    with keyed.policy(callers={"near_budget": {"remaining": 0.999999, "max_tier": "medium"}}):
        assert [asked(), asked()] == [("frontier", False), ("medium", True)]
    assert asked() == ("frontier", False)
