"""What a budget has left, and what is believed of it while LiteLLM cannot say."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from custom_router.litellm_adapter import budgets
from custom_router.litellm_adapter.budgets import (
    Budget,
    read_budgets,
    recorded_budgets,
    remaining_budget,
    share_left,
)


@pytest.mark.parametrize(
    ("held", "dollars", "share"),
    [
        ([], None, None),
        ([Budget(10.0, 4.0)], 6.0, 0.6),
        ([Budget(10.0, 4.0), Budget(100.0, 95.0)], 5.0, 0.05),
        ([Budget(2.0, 3.0)], 0.0, 0.0),
        ([Budget(0.0, 0.0)], 0.0, 0.0),
        ([Budget(4.0, 0.0)], 4.0, 1.0),
        ([Budget(4.0, -1.0)], 5.0, 1.0),
    ],
)
def test_the_scarcest_budget_counts(held: list[Budget], dollars: float | None, share: float | None) -> None:
    assert remaining_budget(held) == dollars
    assert share_left(held) == (None if share is None else pytest.approx(share))


OWN, TEAM, USER = Budget(3.0, 1.0), Budget(10.0, 4.0), Budget(2.0, 0.0)
ROW = {
    "max_budget": 3.0,
    "spend": 1.0,
    "team_max_budget": 10.0,
    "team_spend": 4.0,
    "user_max_budget": 2.0,
    "user_spend": None,
}


@pytest.mark.parametrize(
    ("row", "pays", "held"),
    [
        ({}, False, ()),
        ({**ROW, "team_id": None}, False, (OWN, TEAM, USER)),
        ({**ROW, "team_id": "t"}, False, (OWN, TEAM)),
        ({**ROW, "team_id": "t"}, True, (OWN, TEAM, USER)),
    ],
)
def test_a_users_own_budget_holds_a_teams_key_only_where_litellm_says_so(
    row: dict[str, Any], pays: bool, held: tuple[Budget, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budgets, "_users_pay_for_teams", lambda: pays)
    assert recorded_budgets(SimpleNamespace(**row)) == held


@pytest.mark.parametrize("trouble", ["late", "broken"])
async def test_what_litellm_cannot_say_is_taken_from_the_key_as_it_was_read(
    trouble: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def counted(user: Any, data: Any) -> tuple[Budget, ...]:
        if trouble == "broken":
            raise KeyError("no such counter")
        await asyncio.Event().wait()
        return ()

    monkeypatch.setattr(budgets, "_counted", counted)
    monkeypatch.setattr(budgets, "_DEADLINE_S", 0.01)
    assert await read_budgets(SimpleNamespace(max_budget=3.0, spend=1.0), {}) == (OWN,)
    assert "budgets" in caplog.text
