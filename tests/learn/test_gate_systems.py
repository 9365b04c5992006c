"""What escalation costs and keeps, by hand; and thresholds that travel."""

from __future__ import annotations

import math

import numpy as np
import pytest

from custom_router.learn.gate_chain import STRAIGHT_UP, Link, Thresholds, choose, outcome, transfer
from custom_router.learn.gate_systems import Ladder, cost_at, mean_estimate, paid_apgr, plain_apgr, share_of_top

ROWS = np.arange(4)
LADDER = Ladder(np.array([0.0, 0, 1, 1]), np.ones(4), np.full(4, 0.1), np.ones(4))
RIGHT = np.array([1.0, 2, 3, 4])


def test_cost_and_quality_by_hand() -> None:
    assert share_of_top(LADDER, RIGHT >= 3, ROWS) == pytest.approx((1.0, 0.6))
    assert share_of_top(LADDER, RIGHT >= 2, ROWS) == pytest.approx((0.75, 0.35))
    assert cost_at(LADDER, RIGHT, 1.0) == pytest.approx(0.6)
    assert cost_at(LADDER, RIGHT, 1.0, np.full(4, 0.2)) == pytest.approx(0.8)
    assert cost_at(LADDER, -RIGHT, 1.0) == 1.0, "straight up is cheaper than trying everything"


def test_a_free_opinion_about_everyone_is_plain_apgr() -> None:
    rng = np.random.default_rng(0)
    weak, strong = (rng.random(400) < 0.5).astype(float), np.ones(400)
    ladder = Ladder(weak, strong, np.zeros(400), np.ones(400))
    score, rows = weak + rng.normal(size=400), np.arange(400)
    plain = plain_apgr(ladder, score, rows)
    assert paid_apgr(ladder, score, score, np.zeros(400), rows, band=1000) == pytest.approx(plain, abs=0.01)
    assert paid_apgr(ladder, score, score, np.full(400, 0.3), rows, band=1000) < plain - 0.1


def test_a_source_without_a_gap_is_left_out_of_a_mean() -> None:
    estimate = mean_estimate([lambda _: 0.8, lambda _: math.nan], [10, 10], draws=5)
    assert (estimate.value, estimate.low, estimate.high) == (0.8, 0.8, 0.8)


def link(name: str, coherence: float, seed: int, informed: bool = True) -> Link:
    rng = np.random.default_rng(seed)
    n = 400
    good = np.stack([rng.random(n) < rate for rate in (0.7, 0.85, 0.95)]).astype(float)
    noise = 0.4 if informed else 50.0
    first, second = good[0] + rng.normal(0, noise, n), good[1] + rng.normal(0, noise, n)
    return Link(name, good, np.outer([0.05, 0.3, 1.0], np.ones(n)), first, second, coherence)


def test_the_chain_by_hand() -> None:
    good = np.array([[1.0, 0, 0], [1, 1, 0], [1, 1, 1]])
    one = Link("x", good, np.outer([0.1, 0.3, 1.0], np.ones(3)), np.array([2.0, 0, 0]), np.array([0.0, 2, 0]), 0.9)
    assert outcome(one, Thresholds(1.0, 1.0)) == pytest.approx((1.0, (0.1 + 0.4 + 1.4) / 3))
    assert outcome(one, Thresholds(-1.0, 1.0)) == pytest.approx((1 / 3, 0.1))
    assert outcome(one, STRAIGHT_UP) == pytest.approx((1.0, 1.4))
    assert outcome(one, STRAIGHT_UP, ask=False) == (1.0, 1.0)


def test_thresholds_keep_what_was_asked_where_they_were_chosen() -> None:
    links = [link(str(seed), 0.8, seed) for seed in range(3)]
    at = choose(links, 0.99)
    quality, cost = np.mean([outcome(one, at) for one in links], axis=0)
    assert quality >= 0.99
    assert cost < 0.9


def test_a_source_that_says_nothing_is_sent_up_and_teaches_nothing() -> None:
    links = [*(link(str(seed), 0.8, seed) for seed in range(3)), link("riddles", 0.5, 9, informed=False)]
    named = transfer(links, 0.98, naming=True)
    assert [one.asked for one in named] == [True, True, True, False]
    assert named[3].result() == (1.0, 1.0)
    alone = transfer(links[:3], 0.98, naming=True)
    assert [one.at for one in named[:3]] == [one.at for one in alone]
    blind = transfer(links, 0.98, naming=False)
    assert blind[3].result()[0] < 0.97
