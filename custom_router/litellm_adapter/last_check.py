"""The last line of defence of a cap: every call of LiteLLM's router passes here, also those of routes that call no hook
before (`/v1/rag/query`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from custom_router.litellm_adapter.deployments import DeploymentTable
from custom_router.litellm_adapter.named_tiers import refuse
from custom_router.litellm_adapter.reading import HIGHEST, METADATA_KEYS, text_or_none
from custom_router.policy import resolve_caller, router_settings
from custom_router.policy.schema import PolicyDocument
from custom_router.tiers import Tier, lower


def hold_deployment(kwargs: Mapping[str, Any], deployments: DeploymentTable, policy: PolicyDocument) -> None:
    """Refuse a call to a deployment of a tier above what its caller may have, with FastAPI's `HTTPException`."""
    called = [d for i in _ids(kwargs) if (d := deployments.by_id(i)) is not None]
    found = [tier for d in called if (tier := policy.tiers.of_group(d.group)) is not None]
    tier = max(found, key=lambda tier: tier.rank, default=Tier.SIMPLE)
    if tier is not Tier.SIMPLE and tier.rank > (highest := _highest(kwargs, policy)).rank:
        refuse(f"this key may use tiers up to {highest.value}; ask for {' or '.join(policy.entry_models)}")


def _ids(kwargs: Mapping[str, Any]) -> Iterator[object]:
    """Ids of the deployment that a call goes to, wherever LiteLLM says them."""
    for holder in (kwargs, *(kwargs.get(key) for key in METADATA_KEYS)):
        info = holder.get("model_info") if isinstance(holder, Mapping) else None
        if isinstance(info, Mapping):
            yield info.get("id")


def _highest(kwargs: Mapping[str, Any], policy: PolicyDocument) -> Tier:
    """What the decision allowed, or else the cap. A call on nobody's account, such as a health check, has none, nor has
    one that LiteLLM's Auto Router sent here, whose classifier may have put a domain above the cap."""
    from litellm.constants import LITTELM_INTERNAL_HEALTH_SERVICE_ACCOUNT_NAME

    held = [metadata for key in METADATA_KEYS if isinstance(metadata := kwargs.get(key), Mapping)]
    for metadata in held:
        if isinstance(decided := metadata.get(HIGHEST), Tier):
            return decided
        if metadata.get("routing_decision"):  # LiteLLM's own: it takes out what a client writes there
            return Tier.FRONTIER
    highest = Tier.FRONTIER
    # A client may write into one of the two what LiteLLM writes into the other: both count, so that it can only narrow.
    for metadata in held:
        account = text_or_none(metadata.get("user_api_key_hash"))
        if account is None or account == LITTELM_INTERNAL_HEALTH_SERVICE_ACCOUNT_NAME:
            continue
        caller = resolve_caller(
            policy,
            team_settings=router_settings(metadata.get("user_api_key_team_metadata")),
            key_settings=router_settings(metadata.get("user_api_key_metadata")),
        )
        highest = lower(highest, caller.max_tier)
    return highest
