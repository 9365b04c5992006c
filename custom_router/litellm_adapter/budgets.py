"""What a caller may still spend: its key's, team's and user's budgets, as LiteLLM read them at authentication."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def _budgets(user: Any) -> Iterator[tuple[float, float]]:
    """Dollars allowed and spent, for each budget that there is."""
    for limit_name, spend_name in (
        ("max_budget", "spend"),
        ("team_max_budget", "team_spend"),
        ("user_max_budget", "user_spend"),
    ):
        if isinstance(limit := getattr(user, limit_name, None), int | float):
            yield float(limit), float(getattr(user, spend_name, None) or 0.0)


def remaining_budget(user: Any) -> float | None:
    """Dollars that the caller may still spend before the first of its budgets is used up; None without any budget."""
    left = [limit - spent for limit, spent in _budgets(user)]
    return max(min(left), 0.0) if left else None


def share_left(user: Any) -> float | None:
    """The share, 0 to 1, that is left of the budget most used up; None without any budget."""
    left = [1.0 - spent / limit if limit > 0 else 0.0 for limit, spent in _budgets(user)]
    return min(max(min(left), 0.0), 1.0) if left else None
