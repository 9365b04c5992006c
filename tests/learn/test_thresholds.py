"""Thresholds on traffic whose outcomes are known: by hand, and as properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custom_router.learn.thresholds import Setting, Traffic, efficient, gate_alone, outcome, pick, play

COST = np.array([1.0, 3.0, 10.0])


def traffic(count: int = 400, seed: int = 0, *, blind: bool = False, climbs: bool = False) -> Traffic:
    """Half of the prompts are easy; p_ok and the gate's confidence know which, unless blind."""
    rng = np.random.default_rng(seed)
    easy = rng.random(count) < 0.5
    score = np.column_stack([easy, np.where(easy, 1.0, rng.random(count) < 0.5), np.ones(count)]).astype(float)
    told = rng.random(count) < 0.5 if blind else easy
    p = np.where(told, 0.9, 0.2) + rng.normal(0, 0.05, count)
    p_ok = np.clip(np.column_stack([p, p + 0.05]), 0, 1)
    return Traffic(p_ok, score, np.tile(COST, (count, 1)), np.clip(p_ok, 0, 1), climbs)


def by_hand(climbs: bool) -> Traffic:
    p_ok = np.array([[0.9, 0.9], [0.5, 0.9], [0.1, 0.1]])
    confidence = np.array([[0.2, 0.3], [0.9, 0.9], [0.9, np.nan]])
    return Traffic(p_ok, np.array([[0.0, 0.5, 1.0]] * 3), np.tile(COST, (3, 1)), confidence, climbs)


def test_routing_by_hand() -> None:
    played = play(by_hand(False), Setting(0.8, 0.8))
    assert played.final.tolist() == [0, 1, 2]
    assert played.quality.tolist() == [0.0, 0.5, 1.0]
    assert played.cost.tolist() == [1.0, 3.0, 10.0]


def test_an_escalation_pays_for_both_answers_and_climbs_where_it_is_told_to() -> None:
    straight = play(by_hand(False), Setting(0.8, 0.8, gate=0.7))
    assert (straight.final.tolist(), straight.cost.tolist()) == ([2, 1, 2], [11.0, 3.0, 10.0])
    climbed = play(by_hand(True), Setting(0.8, 0.8, gate=0.7))
    assert (climbed.final.tolist(), climbed.cost.tolist()) == ([2, 1, 2], [14.0, 3.0, 10.0])
    assert climbed.escalated.tolist() == [1.0, 0.0, 0.0]


def test_an_answer_of_unknown_confidence_is_delivered() -> None:
    assert play(by_hand(False), Setting(0.0, 0.0, gate=0.7)).final.tolist() == [2, 0, 0]
    unknown = Traffic(np.ones((2, 2)), np.ones((2, 3)), np.ones((2, 3)), np.full((2, 2), np.nan))
    assert play(unknown, Setting(0.0, 0.0, gate=0.99)).escalated.sum() == 0


def test_good_scores_give_a_better_frontier_than_a_shuffle() -> None:
    def best(found: Traffic) -> float:
        picked = pick(efficient(found), max_cost=0.6)
        assert picked is not None
        return picked.quality.value

    assert best(traffic()) > best(traffic(blind=True)) + 0.1


def test_the_efficient_settings_rise_in_cost_and_quality() -> None:
    found = efficient(traffic())
    assert [one.cost.value for one in found] == sorted(one.cost.value for one in found)
    assert [one.quality.value for one in found] == sorted(one.quality.value for one in found)
    assert sum(found[0].shares) == pytest.approx(1.0)


@settings(deadline=None, max_examples=15)
@given(st.floats(0, 1), st.floats(0.1, 1.0))
def test_what_is_picked_keeps_its_limits(share: float, cost: float) -> None:
    found = efficient(traffic(200))
    picked = pick(found, strong_share=share, max_cost=cost)
    if picked is None:
        assert all(one.shares[2] > share or one.cost.value > cost for one in found)
    else:
        assert picked.shares[2] <= share
        assert picked.cost.value <= cost


def test_a_quality_is_kept_by_the_whole_interval_at_the_least_cost() -> None:
    found = efficient(traffic())
    picked = pick(found, quality=0.9)
    assert picked is not None
    assert picked.quality.low >= 0.9
    assert all(one.quality.low < 0.9 for one in found if one.cost.value < picked.cost.value)
    assert pick(found, quality=1.0, max_cost=0.1) is None


def test_a_stricter_gate_escalates_more() -> None:
    escalated = [one.escalated.value for one in gate_alone(traffic())]
    assert escalated == sorted(escalated)
    assert outcome(traffic(), Setting(0.0, 0.0)).escalated.value == 0.0
