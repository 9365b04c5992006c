"""Which tiers an answer may come from, as far as money goes."""

from __future__ import annotations

import pytest
import yaml

from custom_router.causes import Cause
from custom_router.classify.base import Scores
from custom_router.confidence.assess import Assessment
from custom_router.confidence.base import Answer, Expectations
from custom_router.decide import decide
from custom_router.escalation import Surroundings, refusal, unaffordable
from custom_router.lifecycle import GateTicket
from custom_router.policy import Caller, Policy
from custom_router.records.cost import Price
from custom_router.request import RequestView
from custom_router.tiers import TIERS, Tier

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


@pytest.mark.parametrize(
    ("way", "target", "left", "refused"),
    [
        ("frontier", Tier.FRONTIER, 0.0043, False),
        ("frontier", Tier.FRONTIER, 0.0041, True),
        ("next", Tier.MEDIUM, 0.0011, False),
        ("next", Tier.FRONTIER, 0.0051, False),
        ("next", Tier.FRONTIER, 0.0049, True),
    ],
)
def test_what_is_left_pays_for_the_answers_already_had_first(
    way: str, target: Tier, left: float, refused: bool
) -> None:
    """200 tokens: 0.0002 of the simple tier, 0.0008 of the medium one, 0.004 of the frontier."""
    tiers = {t.value: {"model": t.value, "threshold": 0.5} for t in TIERS}
    policy = Policy.parse(yaml.safe_dump({"tiers": tiers, "gate": {"escalate_to": way}}))
    view, caller = RequestView.from_chat({"messages": [{"role": "user", "content": "A?"}]}), Caller()
    decision = decide(view, Scores(dict.fromkeys(TIERS, 1.0)), caller, policy)
    ticket = GateTicket(view, policy, caller, decision, Expectations())
    answer = Answer("x" * 4 * (200 - max(view.input_tokens, 1)), "m", "stop")
    given = refusal(ticket, answer, Assessment(), target, Surroundings(PRICES, remaining_usd=left))
    assert given == (Cause.GATE_OVER_BUDGET if refused else None)
