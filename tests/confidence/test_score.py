"""The recipe: by hand, in order, and whatever is missing."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_router.confidence.score import UNWEIGHTED, WEIGHT_LIMIT, clipped_logit, gate_score, opinion_weight

LOGPROBS = st.floats(-60.0, 0.0)


def test_own_confidence_by_hand() -> None:
    assert gate_score(math.log(0.5)) == pytest.approx(-0.75)
    assert gate_score(math.log(0.9)) == pytest.approx((math.log(9.0) - 3.0) / 4.0)


def test_an_opinion_counts_by_its_own_confidence() -> None:
    own = math.log(0.9)
    weight = math.log(0.8 / 0.2) + 1.0
    alone = gate_score(own)
    assert alone is not None
    assert gate_score(own, [(1.0, math.log(0.8))]) == pytest.approx(alone + weight)
    assert gate_score(own, [(0.0, math.log(0.8))]) == pytest.approx(alone - weight)
    assert gate_score(own, [(0.5, math.log(0.8))]) == pytest.approx(alone)
    assert gate_score(own, [(1.0, math.log(0.01))]) == pytest.approx(alone), "an opinion that thinks itself wrong"


def test_a_saturated_opinion_has_a_limit_and_a_mute_one_a_modest_weight() -> None:
    assert opinion_weight(0.0) == WEIGHT_LIMIT
    assert opinion_weight(None) == opinion_weight(math.nan) == UNWEIGHTED
    assert gate_score(None, [(1.0, None)]) == UNWEIGHTED


def test_nothing_gives_nothing() -> None:
    assert gate_score(None) is None
    assert gate_score(math.nan) is None
    assert gate_score(None, [(math.nan, -0.1)]) is None


@given(st.floats(-16.0, -1.1e-7))
def test_clipping_is_symmetric_and_finite(logprob: float) -> None:
    p = math.exp(logprob)
    assert clipped_logit(logprob) == pytest.approx(math.log(p / (1 - p)), abs=1e-6)
    assert clipped_logit(-1e9) == pytest.approx(-clipped_logit(0.0), abs=1e-6)


def test_saturated_confidences_stay_apart() -> None:
    found = [gate_score(one) for one in (-1e-3, -1e-4, -1e-5, -1e-6, -2e-7)]
    scores = [one for one in found if one is not None]
    assert len(scores) == 5
    assert scores == sorted(set(scores))


@given(LOGPROBS, LOGPROBS, st.floats(0, 1), LOGPROBS)
def test_more_confidence_never_scores_less(one: float, other: float, agreed: float, opinion: float) -> None:
    low, high = sorted((one, other))
    first, second = gate_score(low, [(agreed, opinion)]), gate_score(high, [(agreed, opinion)])
    assert first is not None
    assert second is not None
    assert first <= second
