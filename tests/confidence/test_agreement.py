from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_router.confidence.agreement import agreement, normalised
from custom_router.confidence.final_value import chosen_option, final_number, listed_options, same_number

OPTIONS = 'Which is a "Soft steroid"?\n\nChoices:\nA: Budesonide\nB: Dexamethasone\nC: Ciclesonide\nD: Flunisolide'


def alike(_a: str, _b: str) -> float:
    return 0.95


@pytest.mark.parametrize(
    ("prompt", "a", "b"),
    [
        (OPTIONS, "C", "(C)"),
        (OPTIONS, "C. Ciclesonide", "The answer is C: Ciclesonide, because it is activated in the lung."),
        (OPTIONS, "Ciclesonide", "**C**"),
        (OPTIONS, "A is too strong and B too weak. The answer is (C).", "c. is wrong? No: the correct option is C"),
        ("How many apples?", "3 + 4 = 7\n#### 7", "The answer is 7 apples."),
        ("How much is it?", "$1,000", "It costs 1000.0 dollars"),
        ("What is the probability?", "\\boxed{\\frac{1}{2}}", "The answer is 0.5"),
        ("How many people?", "1.5 million", "1,500,000"),
        ("How many legs?", "eight", "It has 8 legs"),
        ("Who wrote it?", "Charles Dickens", "charles dickens."),
        ("Who wrote it?", "The Beatles", "Beatles"),
    ],
)
def test_the_same_answer_agrees(prompt: str, a: str, b: str) -> None:
    assert agreement(prompt, a, b) == agreement(prompt, b, a) == 1.0


@pytest.mark.parametrize(
    ("prompt", "a", "b"),
    [
        (OPTIONS, "C", "A"),
        (OPTIONS, "The answer is C: Ciclesonide", "The answer is A: Budesonide"),
        ("How many apples?", "#### 7", "#### 8"),
        ("How much is it?", "It costs $1,000 in total.", "It costs $1,200 in total."),
        ("Is it safe?", "Yes, it is safe.", "No, it is safe only when dry."),
        ("Is it safe?", "It is safe to eat raw.", "It is not safe to eat raw."),
        ("Is it safe?", "You can eat it", "You can’t eat it"),
        ("When did it open?", "The bridge opened in 1932.", "The bridge opened in 1937."),
        ("Who?", "", "Ada"),
        ("Who?", "", ""),
    ],
)
def test_a_contradiction_is_not_outvoted_by_likeness(prompt: str, a: str, b: str) -> None:
    assert agreement(prompt, a, b, alike) == agreement(prompt, b, a, alike) == 0.0


def test_a_short_answer_inside_the_other_is_more_than_half_agreement() -> None:
    assert agreement("What is optics about?", "Light", "Light and its interactions.") > 0.5
    assert agreement("Which river?", "River Severn", "Severn", alike) == 1.0
    assert agreement("What?", "It is", "It is raining cats and dogs today") < 0.5


def test_free_text_is_as_alike_as_its_vectors_or_its_words() -> None:
    a, b = "They defend themselves with quills", "They raise their sharp quills"
    assert agreement("How do porcupines attack?", a, b, lambda *_: 0.65) == pytest.approx(0.5)
    assert agreement("How do porcupines attack?", a, b, lambda *_: 0.2) == 0.0
    assert agreement("How do porcupines attack?", a, b, lambda *_: 1.0) == 1.0
    assert agreement("How do porcupines attack?", a, b) == pytest.approx(0.4)


def test_similarity_is_asked_about_the_answers_as_given() -> None:
    asked: list[tuple[str, str]] = []

    def similarity(a: str, b: str) -> float:
        asked.append((a, b))
        return 0.5

    agreement("Why?", " It rained, a lot. ", "The sun was gone", similarity)
    assert asked == [(" It rained, a lot. ", "The sun was gone")]


def test_options_are_the_last_listed_ones() -> None:
    earlier = "Q1\nA. one\nB. two\n\nQ2\nA. red\nB. green\nC. blue\nAnswer:"
    assert listed_options(earlier) == {"A": "red", "B": "green", "C": "blue"}
    assert listed_options("A: the first point only") == {}
    assert listed_options("Dear all,\nB. said no") == {}
    assert chosen_option("The best option I found is B.", dict.fromkeys("ABCDEFGHIJ", "x")) != "I"
    assert chosen_option("I do not know", {"A": "yes", "B": "no"}) is None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("#### -3", -3),
        ("so 12 / 4 = 3", 3),
        ("It is 50%.", 50),
        ("**42**", 42),
        ("costs \\$1,234.50 each", 1234.5),
        ("born on 4 July 1776", 1776),
        ("#### 25 dollars for 5", 25),
        ("none", None),
        ("3/4", 0.75),
        ("1/0", 1),
    ],
)
def test_the_final_number(text: str, number: float | None) -> None:
    assert final_number(text) == number


def test_numbers_are_the_same_but_for_rounding() -> None:
    assert same_number(33.33, 33.3333)
    assert not same_number(33.0, 33.33)
    assert not same_number(2.0, 2.4)


TEXTS = st.one_of(st.text(), st.text(alphabet="ABC10.,$/#(): \nnotyes’'", max_size=60))


@given(prompt=TEXTS, a=TEXTS, b=TEXTS, cosine=st.one_of(st.none(), st.floats(-1, 1)))
def test_agreement_is_symmetric_and_in_range(prompt: str, a: str, b: str, cosine: float | None) -> None:
    similarity = None if cosine is None else lambda _a, _b: cosine
    value = agreement(prompt, a, b, similarity)
    assert 0.0 <= value <= 1.0
    assert value == agreement(prompt, b, a, similarity)


@given(TEXTS)
def test_normalising_twice_changes_nothing_that_matters(text: str) -> None:
    assert agreement("", text, text) == (1.0 if text.strip() else 0.0)
    assert normalised(normalised(text)).split() == normalised(normalised(normalised(text))).split()
