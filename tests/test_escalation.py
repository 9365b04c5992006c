"""Which tiers an answer may come from, as far as money goes."""

from __future__ import annotations

import pytest

from custom_router.escalation import unaffordable
from custom_router.records.cost import Price
from custom_router.request import RequestView
from custom_router.tiers import Tier

PRICES = {Tier.SIMPLE: Price(1e-6, 1e-6), Tier.MEDIUM: Price(4e-6, 4e-6), Tier.FRONTIER: Price(2e-5, 2e-5)}


@pytest.mark.parametrize(
    ("left", "beyond"),
    [
        (None, set()),
        (1.0, set()),
        (0.002, {Tier.FRONTIER}),
        (0.0004, {Tier.MEDIUM, Tier.FRONTIER}),
        (0.0, {Tier.SIMPLE, Tier.MEDIUM, Tier.FRONTIER}),
    ],
)
def test_a_tier_is_beyond_what_is_left_of_a_budget(left: float | None, beyond: set[Tier]) -> None:
    view = RequestView.from_chat({"messages": [{"role": "user", "content": "A word?"}], "max_tokens": 200})
    assert unaffordable(view, PRICES, left) == beyond


def test_a_tier_without_a_price_is_beyond_no_budget() -> None:
    view = RequestView.from_chat({"messages": [{"role": "user", "content": "A word?"}]})
    assert unaffordable(view, {}, 0.0) == frozenset()
