"""The verdict and the economics, by property."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from custom_router.confidence.base import Failure
from custom_router.confidence.gate import GateThresholds, Verdict, gate, straight_up, worth_escalating
from custom_router.confidence.rates import HALF_LIFE_S, LEAST, EscalationRates
from custom_router.tiers import Tier

share = st.floats(0, 1)
RANK = {Verdict.ESCALATE: 0, Verdict.REVIEW: 1, Verdict.TRUST: 2}


@given(share, share)
def test_more_confidence_never_makes_the_verdict_worse(a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert RANK[gate(low, (), GateThresholds())] <= RANK[gate(high, (), GateThresholds())]


def test_the_thresholds_themselves_are_inside() -> None:
    at = GateThresholds(escalate=0.7, trust=0.85)
    assert [gate(p, (), at) for p in (0.6999, 0.7, 0.8499, 0.85)] == [
        Verdict.ESCALATE,
        Verdict.REVIEW,
        Verdict.REVIEW,
        Verdict.TRUST,
    ]


@given(st.none() | share, st.sampled_from(list(Failure)))
def test_a_plain_fault_escalates_whatever_the_confidence(confidence: float | None, failure: Failure) -> None:
    assert gate(confidence, (failure,), GateThresholds()) is Verdict.ESCALATE


def test_what_is_not_known_is_never_trusted() -> None:
    assert gate(math.nan, (), GateThresholds(0.0, 0.0)) is Verdict.ESCALATE
    assert gate(None, (), GateThresholds()) is Verdict.NONE
    assert gate(None, (), GateThresholds(no_signal="escalate")) is Verdict.ESCALATE


@given(share, share, st.floats(0, 10), st.floats(0, 10))
def test_the_surer_the_answer_the_less_an_escalation_is_worth(a: float, b: float, cost: float, value: float) -> None:
    low, high = sorted((a, b))
    assert worth_escalating(low, cost, value) or not worth_escalating(high, cost, value)


@given(share, st.floats(1e-6, 1), st.floats(1e-6, 1))
def test_going_straight_up_is_chosen_exactly_where_it_is_cheaper(rate: float, low: float, high: float) -> None:
    trying = low + rate * high
    if abs(trying - high) > 1e-9:
        assert straight_up(rate, low, high) is (trying > high)


def test_rates_need_enough_answers_and_fade() -> None:
    now = 0.0
    rates = EscalationRates(lambda: now)
    for _ in range(int(LEAST)):
        assert rates.rate("a", Tier.SIMPLE) is None
        rates.observe("a", Tier.SIMPLE, True)
    rate = rates.rate("a", Tier.SIMPLE)
    assert rate is not None
    assert rate > 0.999
    assert rates.rate("a", Tier.MEDIUM) is None, "tiers are counted apart"
    assert rates.rate("b", Tier.SIMPLE) is rates.of(None)(Tier.SIMPLE) is None, "tenants are counted apart"
    for _ in range(int(LEAST)):
        rates.observe("a", Tier.SIMPLE, False)
    halved = rates.rate("a", Tier.SIMPLE)
    assert halved is not None
    assert 0.49 < halved < 0.51
    now = 3 * HALF_LIFE_S
    assert rates.rate("a", Tier.SIMPLE) is None, "what is long ago no longer counts"
