"""What a file of keys makes of what a proxy has: made, changed, left, never widened by the way."""

from __future__ import annotations

from typing import Any

import pytest

from custom_router.keys.document import KeysDocument
from custom_router.keys.plan import Ambiguous, Kind, Plan, plan

TEAM: dict[str, Any] = {"team_alias": "a", "team_id": "t1", "models": ["auto"], "max_budget": 5.0, "metadata": {}}
KEY: dict[str, Any] = {"key_alias": "k", "token": "hash", "models": ["auto"], "team_id": "t1", "metadata": {"x": 1}}


def planned(document: dict[str, Any], teams: list[Any] | None = None, keys: list[Any] | None = None) -> Plan:
    return plan(KeysDocument.model_validate(document), teams or [], keys or [], ["auto"])


def test_new_ones_name_the_routed_models_only() -> None:
    found = planned({"teams": {"a": {}}, "keys": {"k": {"team": "a", "duration": "90d"}}})
    assert [(s.kind, s.path) for s in found.steps] == [(Kind.MAKE, "/team/new"), (Kind.MAKE, "/key/generate")]
    assert found.steps[0].body == {"team_alias": "a", "models": ["auto"]}
    assert found.steps[1].body == {"key_alias": "k", "models": ["auto"], "duration": "90d"}
    assert found.steps[1].team == "a"


def test_what_is_as_it_should_be_is_left() -> None:
    found = planned({"teams": {"a": {"max_budget": 5}}, "keys": {"k": {"team": "a"}}}, [TEAM], [KEY])
    assert [step.kind for step in found.steps] == [Kind.LEAVE, Kind.LEAVE]
    assert not any(step.path for step in found.steps)


def test_what_the_file_leaves_out_is_left_alone() -> None:
    bound = {**TEAM, "metadata": {"router": {"max_tier": "simple"}}}
    assert planned({"teams": {"a": {}}}, [bound]).steps[0].kind is Kind.LEAVE
    assert planned({"teams": {"a": {"router": {}}}}, [bound]).steps[0].body["metadata"] == {"router": {}}


def test_a_change_repeats_the_other_metadata() -> None:
    (step,) = planned({"keys": {"k": {"router": {"max_tier": "simple"}}}}, [TEAM], [KEY]).steps
    assert (step.kind, step.path) == (Kind.CHANGE, "/key/update")
    assert step.body == {"key": "hash", "metadata": {"x": 1, "router": {"max_tier": "simple"}}}
    assert step.changes == (("router", None, {"max_tier": "simple"}),)


@pytest.mark.parametrize("models", [[], ["auto", "tier-frontier"], ["all-proxy-models"], None])
def test_wider_models_are_taken_back(models: Any) -> None:
    (step,) = planned({"keys": {"k": {}}}, [], [{**KEY, "models": models}]).steps
    assert step.body == {"key": "hash", "models": ["auto"]}


def test_a_key_moves_to_a_team_that_is_still_to_be_made() -> None:
    found = planned({"teams": {"b": {}}, "keys": {"k": {"team": "b"}}}, [TEAM], [KEY])
    step = found.steps[1]
    assert (step.kind, step.team, step.body) == (Kind.CHANGE, "b", {"key": "hash", "team_id": None})
    assert found.beyond == ("team a",)


def test_two_teams_of_one_name_are_nobodys_guess() -> None:
    with pytest.raises(Ambiguous, match="two teams called 'a'"):
        planned({"teams": {"a": {}}}, [TEAM, {**TEAM, "team_id": "t2"}])


def test_keys_without_a_name_are_counted() -> None:
    nameless = {**KEY, "key_alias": None}
    assert planned({"keys": {"k": {}}}, [], [nameless, nameless]).beyond == ("2 keys without an alias",)
