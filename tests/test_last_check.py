"""The last look at a cap, before a deployment is asked."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, cast

import pytest
from fastapi import HTTPException

from custom_router.deployments import Deployment, read_deployments
from custom_router.litellm_adapter.deployments import DeploymentTable
from custom_router.litellm_adapter.last_check import hold_deployment
from custom_router.litellm_adapter.reading import HIGHEST
from custom_router.policy import Policy
from custom_router.tiers import TIERS, Tier

TIER_LINES = """\
tiers:
  simple: {model: tier-simple, threshold: 0.6}
  medium: {model: tier-medium, threshold: 0.6}
  frontier: {model: tier-frontier}
"""
GROUPS = ("tier-simple", "tier-medium", "tier-frontier", "embeddings")
ENTRIES = [{"model_name": g, "litellm_params": {"model": f"alpha/{g}"}, "model_info": {"id": g}} for g in GROUPS]
DEPLOYMENTS = {deployment.id: deployment for deployment in read_deployments(ENTRIES, lambda model: {})}


class Table:
    """A `DeploymentTable` without LiteLLM."""

    def by_id(self, model_id: object) -> Deployment | None:
        return DEPLOYMENTS.get(cast(str, model_id))


def _allowed(metadata: dict[str, Any], *, more: str = "", **kwargs: Any) -> list[str]:
    """The groups whose deployments may be asked."""
    policy = Policy.parse(TIER_LINES + more).document
    found = []
    for group in GROUPS:
        call = {"model_info": {"id": group}, "metadata": metadata, **kwargs}
        with suppress(HTTPException):
            hold_deployment(call, cast(DeploymentTable, Table()), policy)
            found.append(group.removeprefix("tier-"))
    return found


ALL = [*TIERS, "embeddings"]
KEY = {"user_api_key_hash": "h", "user_api_key_metadata": {"router": {"max_tier": "medium"}}}
TEAM = {"user_api_key_hash": "h", "user_api_key_team_metadata": {"router": {"max_tier": "simple"}}}
FORGED = {"user_api_key_hash": "h", "user_api_key_metadata": {"router": {"max_tier": "frontier"}}}


@pytest.mark.parametrize(
    ("metadata", "allowed"),
    [
        ({}, ALL),
        ({"user_api_key_hash": "h"}, ALL),
        (KEY, ["simple", "medium", "embeddings"]),
        (TEAM, ["simple", "embeddings"]),
        ({**TEAM, **KEY}, ["simple", "embeddings"]),
        ({**KEY, HIGHEST: "frontier"}, ["simple", "medium", "embeddings"]),
        ({**KEY, HIGHEST: Tier.FRONTIER}, ALL),
        ({"user_api_key_hash": "h", HIGHEST: Tier.SIMPLE}, ["simple", "embeddings"]),
        ({**KEY, "routing_decision": {"tier": "frontier"}}, ALL),
    ],
)
def test_a_call_reaches_what_its_request_or_else_its_caller_may_have(
    metadata: dict[str, Any], allowed: list[str]
) -> None:
    assert _allowed(metadata) == allowed


def test_what_a_client_writes_only_narrows() -> None:
    assert _allowed(FORGED, litellm_metadata=KEY) == ["simple", "medium", "embeddings"]
    assert _allowed(KEY, litellm_metadata=FORGED) == ["simple", "medium", "embeddings"]
    told = {**KEY, "model_info": {"id": "tier-frontier"}}
    assert _allowed(told) == [], "wherever the deployment is named"


def test_the_cap_of_the_policy_holds_callers_and_no_health_check() -> None:
    capped = "callers: {max_tier: medium}"
    assert _allowed({"user_api_key_hash": "h"}, more=capped) == ["simple", "medium", "embeddings"]
    assert _allowed({"user_api_key_hash": "litellm-internal-health-check"}, more=capped) == ALL
    assert _allowed({}, more=capped) == ALL
