"""Measures against values worked out by hand, and controls that must sit at chance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_router.learn import measures


def arrays(*columns: list[float]) -> list[np.ndarray]:
    return [np.array(column, float) for column in columns]


def test_apgr_of_perfect_inverted_and_constant_orders() -> None:
    # Of four prompts only the first gains from the strong model.
    weak, strong = arrays([0, 1, 1, 1], [1, 1, 1, 1])
    assert measures.apgr(np.array([4.0, 3, 2, 1]), weak, strong) == pytest.approx(0.875)
    assert measures.apgr(np.array([1.0, 2, 3, 4]), weak, strong) == pytest.approx(0.125)
    assert measures.apgr(np.zeros(4), weak, strong) == pytest.approx(0.5)


def test_tied_prompts_share_their_gain() -> None:
    weak, strong, need = arrays([0, 1, 1, 1], [1, 1, 1, 1], [2, 2, 1, 1])
    curve = measures.recovery_curve(need, weak, strong)
    assert curve.share.tolist() == [0.0, 0.5, 1.0]
    assert curve.recovered.tolist() == [0.0, 1.0, 1.0]
    assert measures.apgr(need, weak, strong) == pytest.approx(0.75)


def test_cpt_interpolates() -> None:
    weak, strong, need = arrays([0, 0, 1, 1], [1, 1, 1, 1], [4, 3, 2, 1])
    assert measures.cpt(need, weak, strong, 0.5) == pytest.approx(0.25)
    assert measures.cpt(need, weak, strong, 0.8) == pytest.approx(0.4)


def test_auroc_by_hand_with_a_tie() -> None:
    score, label = arrays([0.1, 0.4, 0.4, 0.8], [0, 0, 1, 1])
    assert measures.auroc(score, label) == pytest.approx(3.5 / 4)
    assert np.isnan(measures.auroc(score, np.ones(4)))


def test_ece_by_hand() -> None:
    p, label = arrays([0.2, 0.2, 0.8, 0.8], [0, 1, 1, 1])
    assert measures.ece(p, label, bins=2) == pytest.approx(0.25)


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.booleans()), min_size=2, max_size=40))
def test_reversing_the_order_mirrors_apgr(rows: list[tuple[int, bool, bool]]) -> None:
    need, weak, strong = arrays(*map(list, zip(*rows, strict=True)))
    if (strong - weak).sum() == 0:
        assert np.isnan(measures.apgr(need, weak, strong))
    else:
        assert measures.apgr(need, weak, strong) + measures.apgr(-need, weak, strong) == pytest.approx(1.0)


def test_shuffled_scores_are_at_chance_and_informed_ones_are_not() -> None:
    rng = np.random.default_rng(3)
    need = rng.random(4_000)
    weak = (rng.random(4_000) > need).astype(float)
    strong = np.ones(4_000)
    assert measures.apgr(need, weak, strong) > 0.6
    assert measures.apgr(rng.permutation(need), weak, strong) == pytest.approx(0.5, abs=0.03)


def test_bootstrap_interval_holds_the_value() -> None:
    values = np.random.default_rng(0).normal(1.0, 1.0, 400)
    estimate = measures.bootstrap(lambda rows: float(values[rows].mean()), 400)
    assert estimate.low < estimate.value < estimate.high
    assert estimate.high - estimate.low == pytest.approx(2 * 1.96 / 20, rel=0.2)
