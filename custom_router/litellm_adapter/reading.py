"""Reading LiteLLM's request data and log payloads. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from custom_router.decision import Decision
from custom_router.litellm_adapter.budgets import Budget, recorded_budgets, share_left
from custom_router.policy import Caller, resolve_caller, router_settings
from custom_router.policy.schema import PolicyDocument
from custom_router.records.record import Tenant
from custom_router.tiers import TIERS, Tier

TOKEN = "tier_router_request"  # noqa: S105 - a metadata key
HIGHEST = "tier_router_highest"
"""Metadata key for the highest tier that a routed request may have: its caller's cap, or its domain's tier above it. It
holds a `Tier`, which no client can write: theirs are plain strings."""
METADATA_KEYS = ("metadata", "litellm_metadata")


END_USER_CHARS = 200
"""What is kept of an end user's name, which a client may write at any length."""


def read_caller(
    policy: PolicyDocument, user: Any, data: Mapping[str, Any], budgets: Iterable[Budget] | None = None
) -> Caller:
    """What a caller may have. `budgets` are those that hold it now; without, as LiteLLM last read them."""
    request = data.get("proxy_server_request")
    headers = request.get("headers") if isinstance(request, Mapping) else None
    return resolve_caller(
        policy,
        team_settings=router_settings(attribute(user, "team_metadata")),
        key_settings=router_settings(attribute(user, "metadata")),
        headers={str(k).lower(): str(v) for k, v in headers.items()} if isinstance(headers, Mapping) else None,
        team=text_or_none(attribute(user, "team_id")),
        team_alias=text_or_none(attribute(user, "team_alias")),
        budget_left=share_left(recorded_budgets(user) if budgets is None else budgets),
    )


def read_tenant(user: Any) -> Tenant:
    return Tenant(
        team=text_or_none(attribute(user, "team_id")),
        team_alias=text_or_none(attribute(user, "team_alias")),
        key_alias=text_or_none(attribute(user, "key_alias")),
        key_hash=text_or_none(attribute(user, "token")),
        end_user=(text_or_none(attribute(user, "end_user_id")) or "")[:END_USER_CHARS] or None,
    )


def allowed_fallbacks(
    policy: PolicyDocument, caller: Caller, decision: Decision, barred: Collection[Tier] = ()
) -> list[dict[str, list[str]]] | None:
    """Upward fallbacks under the caller's cap that lead to no barred tier; None where the configured ones may stand.

    A domain that won over the cap did so for its own tier, not for those above it.
    """
    higher = [t for t in TIERS if decision.served.rank < t.rank <= caller.max_tier.rank]
    if caller.max_tier is Tier.FRONTIER and not any(t in barred for t in higher):
        return None
    above = [policy.tiers[t].model for t in higher if t not in barred]
    return [{policy.tiers[decision.served].model: above}] if above else []


def token_in(holder: Mapping[str, Any]) -> str | None:
    for key in reversed(METADATA_KEYS):
        metadata = holder.get(key)
        if isinstance(metadata, Mapping) and isinstance(token := metadata.get(TOKEN), str):
            return token
    return None


def publish(holder: Any, record: dict[str, Any]) -> None:
    """Put the record into `spend_logs_metadata`, the part of LiteLLM's metadata that every logger passes on."""
    for key in METADATA_KEYS:
        metadata = holder.get(key) if isinstance(holder, Mapping) else None
        if isinstance(metadata, dict):
            known = metadata.get("spend_logs_metadata")
            metadata["spend_logs_metadata"] = {**(known if isinstance(known, dict) else {}), "router": record}


def attribute(user: Any, name: str) -> Any:
    return getattr(user, name, None)


def team_of(user: Any) -> str | None:
    """The team that a key shares with others. Whoever logs in to LiteLLM's own pages gets a key of one team for all,
    which makes no team of them."""
    from litellm.constants import UI_SESSION_TOKEN_TEAM_ID

    team = text_or_none(attribute(user, "team_id"))
    return team if team != UI_SESSION_TOKEN_TEAM_ID else None


def text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def milliseconds(began: Any, ended: Any) -> float | None:
    if not isinstance(began, datetime) or not isinstance(ended, datetime):
        return None
    return (ended - began).total_seconds() * 1000
