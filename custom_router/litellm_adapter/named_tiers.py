"""Requests that name a tier themselves, or are led to one by an alias of their key or team."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from custom_router.deployments import Deployment
from custom_router.litellm_adapter.reading import read_caller
from custom_router.litellm_adapter.upstream import body_of
from custom_router.policy.schema import PolicyDocument, Tiers
from custom_router.tiers import TIERS, Tier


def tier_named(model: object, deployments: Iterable[Deployment], tiers: Tiers) -> Tier | None:
    """The tier that a model name leads to: LiteLLM takes a group, an alias of one, a deployment's id, its provider's
    name for it, and several at once with commas between them.

    The highest, where it leads to more than one.
    """
    if not isinstance(model, str):
        return None
    groups = {tiers[tier].model: tier for tier in TIERS}
    aliases = _group_aliases()
    names = {aliases.get(name, name) for name in (model, *map(str.strip, model.split(",")))}
    found = [
        groups[d.group] for d in deployments if d.group in groups and not names.isdisjoint((d.group, d.id, d.model))
    ]
    return max(found, key=lambda tier: tier.rank, default=None)


def _group_aliases() -> dict[str, str]:
    """`router_settings.model_group_alias`; empty until LiteLLM has started."""
    from litellm.proxy.proxy_server import llm_router

    given = getattr(llm_router, "model_group_alias", None) or {}
    return {name: to["model"] if isinstance(to, Mapping) else to for name, to in given.items()}


def entry_asked(data: Mapping[str, Any], deployments: Iterable[Deployment], policy: PolicyDocument) -> str | None:
    """The routed model that a request asks for; None for any other.

    LiteLLM applies an alias of the key or team before we see the request. One that leads from a routed model to a tier
    would go around the caller's cap, so the request counts as what the client asked for.
    """
    model, asked = data.get("model"), body_of(data).get("model")
    if isinstance(model, str) and model in policy.entry_models:
        return model
    if isinstance(asked, str) and asked in policy.entry_models and tier_named(model, deployments, policy.tiers):
        return asked
    return None


def refuse_above_cap(data: Mapping[str, Any], user: Any, named: Tier | None, policy: PolicyDocument) -> None:
    """Refuse a request that names a tier above its caller's cap. Raises FastAPI's `HTTPException`."""
    if named is None:
        return
    cap = read_caller(policy, user, data).max_tier
    if named.rank > cap.rank:
        from fastapi import HTTPException

        told = f"this key may use tiers up to {cap.value}; ask for {' or '.join(policy.entry_models)}"
        raise HTTPException(403, {"error": told})
