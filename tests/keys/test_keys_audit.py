"""Ways past the router, by what LiteLLM lists of keys and teams."""

from __future__ import annotations

from typing import Any

import pytest

from custom_router.keys.audit import CONFINED_TO, KeyFinding, audit_keys
from custom_router.policy import Policy

POLICY = Policy.parse(
    """\
tiers:
  simple: {model: tier-simple, threshold: 0.6}
  medium: {model: tier-medium, threshold: 0.6}
  frontier: {model: tier-frontier}
"""
).document


def audited(key: dict[str, Any], team: dict[str, Any] | None = None) -> list[KeyFinding]:
    teams = [{"team_id": "t", "team_alias": "a", "models": ["auto"], **team}] if team is not None else []
    given = {"key_alias": "k", "token": "0123456789", "models": ["auto"], **({"team_id": "t"} if teams else {}), **key}
    return audit_keys([given], teams, POLICY)


def bypasses(key: dict[str, Any], team: dict[str, Any] | None = None) -> list[str]:
    return [f.problem for f in audited(key, team) if f.severity == "bypass"]


def test_a_key_for_auto_in_a_team_has_nothing_to_find() -> None:
    assert audited({}, {}) == []


@pytest.mark.parametrize("models", [[], None, ["all-proxy-models"], ["all-team-models"], ["*"]])
def test_a_key_without_a_list_may_name_anything_unless_its_team_holds_it(models: Any) -> None:
    assert bypasses({"models": models}) == ["may name any model, the tiers' own included"]
    assert bypasses({"models": models}, {"models": []}) == ["may name any model, the tiers' own included"]
    assert bypasses({"models": models}, {}) == []
    assert bypasses({"models": models}, {"models": ["auto", "tier-medium"]}) == ["names a tier itself: tier-medium"]


def test_models_that_are_not_routed() -> None:
    assert bypasses({"models": ["auto", "tier-simple", "gpt-x"]}) == [
        "names a model that is not routed: gpt-x",
        "names a tier itself: tier-simple",
    ]
    assert bypasses({"models": ["auto", "tier-simple"]}, {}) == [], "the team's list does not have it"
    assert bypasses({"models": ["tier-*"]}, {"models": []}) == ["names a model that is not routed: tier-*"]
    assert bypasses({"models": ["no-default-models"]}) == []


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"aliases": {"cheap": "tier-frontier"}}, "alias cheap for tier-frontier"),
        ({"router_settings": {"fallbacks": [{"a": ["b"]}]}}, "router settings of its own (fallbacks)"),
        ({"access_group_ids": ["g"]}, "1 access groups"),
    ],
)
def test_ways_around_the_list(fields: dict[str, Any], says: str) -> None:
    (problem,) = bypasses(fields, {})
    assert says in problem
    assert bypasses({"aliases": {"router": "auto"}}, {}) == []


@pytest.mark.parametrize(
    ("routes", "open_to"),
    [
        (None, True),
        ([], True),
        (["llm_api_routes"], False),
        (CONFINED_TO, False),
        (["/v1/chat/completions", "info_routes"], False),
        (["llm_api_routes", "management_routes"], True),
        (["llm_api_routes", "/key/*"], True),
        (["*"], True),
        (["/*"], True),
    ],
)
def test_a_user_who_may_lift_the_cap_of_its_key(routes: Any, open_to: bool) -> None:
    capped = {"metadata": {"router": {"max_tier": "medium"}}, "user_id": "u", "allowed_routes": routes}
    assert bool(bypasses(capped, {})) == open_to
    assert not bypasses({**capped, "user_id": None}, {}), "nobody's key, which nobody but an administrator changes"
    assert not bypasses({**capped, "metadata": {}}, {}), "no cap"
    assert bool(bypasses({**capped, "metadata": {}}, {"metadata": capped["metadata"]})) == open_to, "its team's cap"


def test_a_teams_own_alias() -> None:
    found = audited({}, {"litellm_model_table": {"model_aliases": {"auto": "tier-frontier"}}})
    assert [(f.severity, f.owner) for f in found] == [("bypass", "team a")]


@pytest.mark.parametrize("router", [{"max_teir": "simple"}, {"max_tier": "cheap"}, {"max_tier": None}, None, "simple"])
def test_malformed_settings(router: Any) -> None:
    (of_key,) = audited({"metadata": {"router": router}}, {})
    assert (of_key.severity, of_key.owner) == ("malformed", "key k of team a")
    (of_team,) = audited({}, {"metadata": {"router": router}})
    assert (of_team.severity, of_team.owner) == ("malformed", "team a")


def test_settings_wider_than_the_teams_are_noted() -> None:
    team = {"metadata": {"router": {"max_tier": "medium", "cache": "off", "gate": "on"}}}
    found = audited({"metadata": {"router": {"max_tier": "frontier", "cache": "team", "gate": "off"}}}, team)
    assert [f.severity for f in found] == ["note"] * 3
    assert "max_tier 'frontier' is wider than its team's, which holds: medium" in found[0].problem
    assert audited({"metadata": {"router": {"max_tier": "simple"}}}, team) == []


def test_a_key_without_a_team_is_noted_and_a_nameless_one_shows_no_more_than_its_hash_begins_with() -> None:
    (note,) = audited({"key_alias": None})
    assert (note.severity, note.owner) == ("note", "key 01234567")
