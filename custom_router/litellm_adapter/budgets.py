"""What a caller may still spend, by the budgets that LiteLLM holds the request to and by what LiteLLM has counted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

logger = logging.getLogger(__name__)

_DEADLINE_S = 1.0
"""LiteLLM has read the same counters, and everything else that is read here, in the moment before."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Dollars allowed, and dollars gone but for this request's own: billed, or held back for others under way."""

    limit: float
    spent: float


def remaining_budget(budgets: Iterable[Budget]) -> float | None:
    """Dollars that may still be spent before the first of these budgets is used up; None without any."""
    left = [budget.limit - budget.spent for budget in budgets]
    return max(min(left), 0.0) if left else None


def share_left(budgets: Iterable[Budget]) -> float | None:
    """The share, 0 to 1, that is left of the budget most used up; None without any."""
    left = [1.0 - budget.spent / budget.limit if budget.limit > 0 else 0.0 for budget in budgets]
    return min(max(min(left), 0.0), 1.0) if left else None


async def read_budgets(user: Any, data: Mapping[str, Any]) -> tuple[Budget, ...]:
    """The budgets that LiteLLM holds a request to, as spent as it holds them to be right now.

    Never raises: where it cannot be told in time, they are those of `recorded_budgets`.
    """
    try:
        async with asyncio.timeout(_DEADLINE_S):
            return await _counted(user, data)
    except Exception as error:  # noqa: BLE001 - whatever LiteLLM's stores do, the request goes on
        logger.warning("budgets are taken as last written to the database: %s", type(error).__name__)
        return recorded_budgets(user)


def recorded_budgets(user: Any) -> tuple[Budget, ...]:
    """The budgets of a key, its team and its user as LiteLLM last read them from its database, minutes ago at most."""
    found = [("max_budget", "spend"), ("team_max_budget", "team_spend")]
    if not getattr(user, "team_id", None) or _users_pay_for_teams():
        found.append(("user_max_budget", "user_spend"))
    return tuple(
        Budget(float(limit), float(getattr(user, spent, None) or 0.0))
        for name, spent in found
        if isinstance(limit := getattr(user, name, None), int | float)
    )


async def _counted(user: Any, data: Mapping[str, Any]) -> tuple[Budget, ...]:
    """LiteLLM's own list of what it reserves a request's cost in, and the counters that it refuses requests by."""
    from litellm.proxy import proxy_server
    from litellm.proxy.spend_tracking.budget_reservation import _get_budget_counters
    from litellm.proxy.spend_tracking.spend_counter_batch import spend_counter_batch_scope

    team, owner, end_user = await _account_of(user, proxy_server.user_api_key_cache)
    counters = await _get_budget_counters(
        request_body=data,
        valid_token=user,
        team_object=team,
        user_object=owner,
        prisma_client=proxy_server.prisma_client,
        user_api_key_cache=proxy_server.user_api_key_cache,
        proxy_logging_obj=proxy_server.proxy_logging_obj,
        end_user_object=end_user,
        apply_user_budget_to_team_keys=_users_pay_for_teams(),
    )
    if not counters:
        return ()
    keys = frozenset(counter.counter_key for counter in counters)
    with spend_counter_batch_scope(proxy_server.spend_counter_cache.redis_cache, counter_keys=keys):
        spent = {c.counter_key: await proxy_server.get_current_spend(c.counter_key, c.fallback_spend) for c in counters}
    own = _own_part(getattr(user, "budget_reservation", None))
    return tuple(Budget(c.max_budget, max(spent[c.counter_key] - own.get(c.counter_key, 0.0), 0.0)) for c in counters)


async def _account_of(user: Any, cache: Any) -> tuple[Any, Any, Any]:
    """The key's team, its user and the end user, from the cache where authentication has just put them."""
    from litellm.proxy._types import (
        LiteLLM_EndUserTable,
        LiteLLM_TeamTable,
        LiteLLM_TeamTableCachedObj,
        LiteLLM_UserTable,
        LitellmUserRoles,
    )
    from litellm.proxy.common_utils.user_api_key_cache import end_user_cache_key

    team = owner = end_user = None
    if user.team_id is not None:
        team = await cache.async_get_cache(key=f"team_id:{user.team_id}", model_type=LiteLLM_TeamTableCachedObj)
        team = team or LiteLLM_TeamTable(
            team_id=user.team_id, max_budget=user.team_max_budget, spend=user.team_spend, metadata=user.team_metadata
        )
    if user.user_id is not None and user.user_role == LitellmUserRoles.PROXY_ADMIN:
        owner = LiteLLM_UserTable(user_id=user.user_id)  # LiteLLM holds an admin to no budget of its own
    elif user.user_id is not None:
        owner = await cache.async_get_cache(key=user.user_id, model_type=LiteLLM_UserTable)
    if user.end_user_id is not None:
        end_user = await cache.async_get_cache(
            key=end_user_cache_key(user.end_user_id), model_type=LiteLLM_EndUserTable
        )
    return team, owner, end_user


def _own_part(reservation: Any) -> dict[str, float]:
    """What a request's own reservation has put on each counter: all it may cost, or what it did cost once billed."""
    entries = reservation.get("entries") if isinstance(reservation, Mapping) else None
    return {
        entry["counter_key"]: float(entry.get("reserved_cost") or 0.0) + float(entry.get("applied_adjustment") or 0.0)
        for entry in entries or ()
    }


def _users_pay_for_teams() -> bool:
    """Whether LiteLLM is set to hold a team's keys to the budgets of their users too."""
    from litellm.proxy.proxy_server import general_settings

    return general_settings.get("apply_user_budget_to_team_keys") is True
