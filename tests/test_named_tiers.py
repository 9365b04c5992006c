"""Which tier a model name leads to."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import HTTPException

from custom_router.deployments import read_deployments
from custom_router.litellm_adapter.named_tiers import entry_asked, hold_to_cap, take_out, tier_named
from custom_router.policy import Policy
from custom_router.tiers import Tier

POLICY = Policy.parse(
    """\
tiers:
  simple: {model: tier-simple, threshold: 0.6}
  medium: {model: tier-medium, threshold: 0.6}
  frontier: {model: tier-frontier}
"""
).document


def _entry(group: str, model: str, identity: str) -> dict[str, Any]:
    return {"model_name": group, "litellm_params": {"model": model}, "model_info": {"id": identity}}


DEPLOYMENTS = read_deployments(
    [
        _entry("tier-simple", "alpha/small", "a1"),
        _entry("tier-medium", "alpha/both", "b1"),
        _entry("tier-frontier", "alpha/both", "b2"),
        _entry("embeddings", "alpha/vectors", "e1"),
    ],
    lambda model: {},
)


@pytest.mark.parametrize(
    ("model", "tier"),
    [
        ("tier-frontier", Tier.FRONTIER),
        ("b1", Tier.MEDIUM),
        ("b2", Tier.FRONTIER),
        ("alpha/small", Tier.SIMPLE),
        ("alpha/both", Tier.FRONTIER),
        ("tier-simple,tier-frontier", Tier.FRONTIER),
        ("auto, a1", Tier.SIMPLE),
        (",", None),
        ("embeddings", None),
        ("e1", None),
        ("auto", None),
        (None, None),
        (["tier-frontier"], None),
    ],
)
def test_a_name_leads_to_the_highest_tier_that_it_could_mean(model: object, tier: Tier | None) -> None:
    assert tier_named(model, DEPLOYMENTS, POLICY.tiers) is tier


def _data(model: object, asked: object) -> dict[str, Any]:
    return {"model": model, "proxy_server_request": {"body": {"model": asked}}}


def test_only_settings_that_the_client_wrote_are_taken_out() -> None:
    own, written = {"fallbacks": [{"tier-simple": ["x"]}]}, {"fallbacks": ["y"]}
    data = {**_data("auto", "auto"), "router_settings_override": own, "extra_body": "model=z"}
    data["proxy_server_request"]["body"]["router_settings_override"] = written
    take_out(data)
    assert (data["router_settings_override"], data["extra_body"]) == (own, {})
    data["router_settings_override"] = written
    take_out(data)
    assert "router_settings_override" not in data


ADVISOR = {"type": "advisor_20260301", "name": "advisor", "model": "tier-frontier"}
HANDLER = {"name": "look_up", "input_schema": {"type": "object", "properties": {"model": {"type": "string"}}}}
DRAWS = {"type": "image_generation", "model": "gpt-image-2"}


def test_tools_that_are_models_are_taken_out_and_others_stay() -> None:
    data = {**_data("auto", "auto"), "tools": [HANDLER, ADVISOR, {**ADVISOR, "type": "adviser_2"}, DRAWS]}
    data |= {"tool_choice": {"type": "auto"}, "extra_body": {"tools": [ADVISOR], "tool_choice": "any", "top_k": 3}}
    take_out(data)
    assert (data["tools"], data["tool_choice"]) == ([HANDLER, DRAWS], {"type": "auto"})
    assert data["extra_body"] == {"top_k": 3}
    alone = {**_data("auto", "auto"), "tools": [ADVISOR], "tool_choice": {"type": "tool", "name": "advisor"}}
    take_out(alone)
    assert not {"tools", "tool_choice"} & alone.keys()
    for odd in ("advisor", [], ["advisor", None], {"type": "advisor"}):
        data = {**_data("auto", "auto"), "tools": odd}
        take_out(data)
        assert data["tools"] == odd


def test_what_providers_read_another_model_from_is_taken_out() -> None:
    other = {"model_id": "x", "models": ["x"], "route": "fallback", "fallbacks": ["x"], "deployment_id": "x"}
    data = {**_data("auto", "auto"), **other, "extra_body": {**other, "model": "x", "top_k": 3}, "user": "u"}
    take_out(data)
    assert data == {**_data("auto", "auto"), "extra_body": {"top_k": 3}, "user": "u"}


@pytest.mark.parametrize(
    ("model", "asked", "entry"),
    [
        ("auto", "auto", "auto"),
        ("tier-frontier", "auto", "auto"),
        ("tier-frontier", "tier-frontier", None),
        ("embeddings", "auto", None),
        ("gpt-x", "gpt-x", None),
        (["auto"], ["auto"], None),
        (None, None, None),
    ],
)
def test_an_alias_to_a_tier_is_not_followed_and_any_other_is(model: object, asked: object, entry: str | None) -> None:
    assert entry_asked(_data(model, asked), DEPLOYMENTS, POLICY) == entry


def test_a_name_above_the_cap_is_refused_whatever_the_request_says() -> None:
    user = SimpleNamespace(metadata={"router": {"max_tier": "medium"}}, team_metadata=None, user_role="proxy_admin")
    forged = {"metadata": {"router": {"max_tier": "frontier"}}, "proxy_server_request": {"headers": {}}}

    def held(model: object, call_type: str = "acompletion", user: Any = user) -> Any:
        data = {**forged, "model": model, "fallbacks": ["tier-frontier"]}
        return hold_to_cap(data, user, call_type, DEPLOYMENTS, POLICY)

    unseen = ("pass_through_endpoint", "_aresponses_websocket", "_arealtime", "acreate_realtime_client_secret")
    for model, call_type in [("tier-frontier", "acompletion"), ("b2", "aembedding"), *(("auto", c) for c in unseen)]:
        with pytest.raises(HTTPException) as caught:
            held(model, call_type)
        assert caught.value.status_code == 403
        assert "up to medium" in str(caught.value.detail)
    assert (held("tier-medium")["model"], held("tier-medium")["fallbacks"]) == ("tier-medium", [])
    assert "fallbacks" not in held("embeddings", "aembedding")
    held_down = held("auto", "agenerate_content")
    assert (held_down["model"], held_down["fallbacks"]) == ("tier-medium", [])
    free = SimpleNamespace(metadata=None, team_metadata=None)
    open_to_it = [("auto", "agenerate_content"), ("tier-frontier", "acompletion"), ("x", "acreate_batch")]
    for model, call_type in [*open_to_it, ("auto", "_aresponses_websocket")]:
        assert held(model, call_type, free) is None
