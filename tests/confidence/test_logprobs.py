from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_router.confidence.base import Answer, TokenLogprob
from custom_router.confidence.logprobs import (
    LOWEST_LOGPROB,
    own_confidence,
    own_reading,
)


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
        ("Martin Chuzzlewit.", None),
        ("A Christmas Carol", None),
        ("D.C. is the capital", None),
        (LONG, None),
        ("...", None),
    ],
)
def test_the_value_that_stands_out_is_what_is_read(text: str, span: str | None) -> None:
    """Each token has a likelihood of its own, so that the sum tells which were read."""
    given_tokens = [replace(token, logprob=-(2.0**-place)) for place, token in enumerate(tokens(text))]
    reading = own_reading(Answer(text, "m", tokens=tuple(given_tokens)))
    assert reading is not None
    assert reading[1] == ("words" if span is None else "tokens")
    if span is not None:
        starts = range(len(given_tokens))
        parts = [given_tokens[a:b] for a in starts for b in range(a + 1, len(given_tokens) + 1)]
        read = [part for part in parts if math.isclose(math.fsum(t.logprob for t in part), reading[0], rel_tol=1e-12)]
        assert span in {"".join(t.token for t in part).strip() for part in read}


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


FLOATS = st.floats(allow_nan=True, allow_infinity=True)
TOKENS = st.builds(
    TokenLogprob, st.text(max_size=8), FLOATS, st.lists(st.tuples(st.text(max_size=3), FLOATS), max_size=3).map(tuple)
)


@given(st.lists(TOKENS, max_size=40))
def test_any_tokens_give_a_finite_confidence_or_none(given_tokens: list[TokenLogprob]) -> None:
    answer = Answer("".join(t.token for t in given_tokens), "m", tokens=tuple(given_tokens))
    confidence = own_confidence(answer)
    assert (confidence is None) == all(math.isnan(token.logprob) for token in given_tokens)
    assert confidence is None or LOWEST_LOGPROB <= confidence <= 0
