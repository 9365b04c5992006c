from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_router.confidence.base import Answer, ConfidenceSignal, TokenLogprob
from custom_router.confidence.logprobs import (
    LOWEST_LOGPROB,
    LogprobsSignal,
    answer_span,
    own_confidence,
    own_reading,
    token_features,
)
from custom_router.request import CallType, RequestView


def tokens(text: str, logprob: float = -0.1) -> list[TokenLogprob]:
    return [TokenLogprob(part, logprob) for part in re.findall(r"\s?\w+|\s?\W", text)]


LONG = "First we add the two numbers that the question gives, and then we take half of what we have found there. "


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("C", "C"),
        ("(C)", "C"),
        ("C. Ciclesonide", "C"),
        ("**B**", "B"),
        (LONG + "The answer is (I).\n\n", "I"),
        (LONG + "The answer is D: the mitral valve", "D"),
        (LONG + "\n\n#### $1,250", "1,250"),
        (LONG + "The final answer is $\\boxed{42}$.", "42"),
        (LONG + "\\boxed{\\frac{1}{2}}", "\\frac{1}{2}"),
        (LONG + "#### 1 was a guess.\n#### 18", "18"),
        (LONG + "Answer: Paris", "Paris"),
        ("Martin Chuzzlewit.", "Martin Chuzzlewit"),
        ("A Christmas Carol", "A Christmas Carol"),
        ("D.C. is the capital", "D.C. is the capital"),
        (LONG, None),
        ("...", None),
    ],
)
def test_the_span_holds_the_answer(text: str, span: str | None) -> None:
    given_tokens = tokens(text)
    found = answer_span(given_tokens)
    assert (found and "".join(given_tokens[i].token for i in found).strip()) == span


def test_own_confidence_prefers_the_measured_one_then_the_answer_then_the_mean() -> None:
    letter = (TokenLogprob("C", -0.3), TokenLogprob(".", -4.0), TokenLogprob(" Ciclesonide", -2.0))
    assert own_confidence(Answer("C. Ciclesonide", "m", tokens=letter, confidence=-0.05)) == -0.05
    assert own_confidence(Answer("C. Ciclesonide", "m", tokens=letter)) == -0.3
    short = (TokenLogprob("Martin", -0.5), TokenLogprob(" Chuzzlewit", -0.25), TokenLogprob(".", -3.0))
    assert own_reading(Answer("Martin Chuzzlewit.", "m", tokens=short)) == (-1.25, "words"), "wording, not a value"
    assert own_reading(Answer("C. Ciclesonide", "m", tokens=letter)) == (-0.3, "tokens")
    assert own_confidence(Answer(LONG, "m", tokens=tuple(tokens(LONG, -0.2)))) == pytest.approx(-0.2)
    assert own_confidence(Answer("Yes", "m")) is None
    assert own_confidence(Answer("Yes", "m", confidence=math.nan)) is None
    assert own_confidence(Answer("Yes", "m", confidence=-math.inf)) == LOWEST_LOGPROB
    assert own_confidence(Answer("Yes", "m", confidence=0.3)) == 0.0


def test_features_are_what_they_say() -> None:
    long = [TokenLogprob(f" word{i}", -i / 100) for i in range(101)]
    features = token_features(long)
    assert features is not None
    assert features["mean"] == pytest.approx(-0.5)
    assert features["answer"] == features["mean"]
    assert features["min"] == -1.0
    assert features["first"] == 0.0
    assert features["q10"] == pytest.approx(-0.9)
    assert features["q50"] == pytest.approx(-0.5)
    assert features["length"] == pytest.approx(math.log(102))
    assert "entropy" not in features


def test_entropy_counts_the_mass_not_listed() -> None:
    half = math.log(0.5)
    listed = token_features([TokenLogprob("a", half, (("a", half), ("b", half)))])
    quarter_left = token_features([TokenLogprob("a", half, (("a", half), ("b", math.log(0.25))))])
    sure = token_features([TokenLogprob("a", 0.0, (("a", 0.0),))])
    assert listed is not None
    assert quarter_left is not None
    assert sure is not None
    assert listed["entropy"] == pytest.approx(math.log(2))
    assert quarter_left["entropy"] == pytest.approx(1.5 * math.log(2))
    assert sure["entropy"] == 0.0


def test_a_token_without_a_logprob_is_left_out() -> None:
    assert token_features([]) is None
    assert token_features([TokenLogprob("a", math.nan)]) is None
    features = token_features([TokenLogprob("a", math.nan), TokenLogprob("b", -1.0)])
    assert features is not None
    assert features["mean"] == -1.0


FLOATS = st.floats(allow_nan=True, allow_infinity=True)
TOKENS = st.builds(
    TokenLogprob, st.text(max_size=8), FLOATS, st.lists(st.tuples(st.text(max_size=3), FLOATS), max_size=3).map(tuple)
)


@given(st.lists(TOKENS, max_size=40))
def test_any_tokens_give_finite_features(given_tokens: list[TokenLogprob]) -> None:
    answer = Answer("".join(t.token for t in given_tokens), "m", tokens=tuple(given_tokens))
    signal: ConfidenceSignal = LogprobsSignal()
    features = signal.read(RequestView(CallType.CHAT, "?"), answer)
    confidence = own_confidence(answer)
    assert (features is None) == (confidence is None)
    if features is not None and confidence is not None:
        assert all(math.isfinite(value) for value in features.values())
        assert LOWEST_LOGPROB <= features["min"] <= features["mean"] <= 0
        assert LOWEST_LOGPROB <= confidence <= 0
