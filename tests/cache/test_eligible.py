"""Personal and time-dependent texts stay out, and the others in."""

from __future__ import annotations

import pytest

from custom_router.cache.eligible import MEANING, Ineligible, ineligible_text
from custom_router.policy import CachePolicy

POLICY = CachePolicy()


@pytest.mark.parametrize(
    "text",
    [
        "Where is my order?",
        "Has my refund been sent?",
        "What is my account balance",
        "Check booking number 48213377 please",
        "Is 4111 1111 1111 1111 a valid card?",
        "Write to ada@example.com",
        "My SSN is 078-05-1120",
        "IBAN DE89 3704 0044 0532 0130 00",
        "How do I cancel order 1234567890?",
        "Wo ist meine Bestellung?",
        "Où est mon colis ?",
        "¿Dónde está mi pedido?",
        "key sk-abcdefghijkl does not work",
        # What somebody tells is theirs, however general the question beside it.
        "How can I unlock my account? My name is Anna Berg and my password is hunter2",
        "How do I change my address? my passport is X12345",
        "How do I get a visa? I live in Graz",
        "How do I log in? My password is: hunter2",
        "How do I reset it? My user name: anna",
        "Wie kann ich mein Konto sperren? Ich heiße Anna Berg",
        "How do I cancel an order? Where is my order?",
        "Where is order 48213?",
        "How do I cancel order 48213?",
        "What is the balance of account 48213?",
        "Has invoice no. 48213 been paid?",
        "Wo ist Bestellung 48213?",
    ],
)
def test_personal_texts_stay_out(text: str) -> None:
    assert ineligible_text(text, POLICY) is Ineligible.PERSONAL
    assert ineligible_text(text, CachePolicy(personal=True)) is None


@pytest.mark.parametrize("text", ["", " \n", "Half a pair: \ud83d", "\udc00 at first"])
def test_texts_that_cannot_be_read_stay_out(text: str) -> None:
    assert ineligible_text(text, POLICY) is Ineligible.UNREADABLE


@pytest.mark.parametrize(
    "text",
    [
        "What's the weather in Paris?",
        "Who won last night?",
        "What happened TODAY in Berlin",
        "What's the latest version of Python?",
        "Wie ist das Wetter heute?",
        "What is the bitcoin price now?",
        "Who is the president now?",
        "Who won the game an hour ago?",
        "Wer ist jetzt Kanzler?",
        "¿Qué hora es?",
        "Quelle heure est-il ?",
    ],
)
def test_texts_about_a_moment_stay_out(text: str) -> None:
    assert ineligible_text(text, POLICY) is Ineligible.TIME_DEPENDENT
    assert ineligible_text(text, CachePolicy(time_dependent=True)) is None


@pytest.mark.parametrize(
    "text",
    [
        "What is the capital of France?",
        "How do I cancel my order?",
        "What happened in 1914?",
        "What is 1357 times 223?",
        "How can I reset my password?",
        "Where do I find my account number?",
        "How can I find out what my phone number is?",
        "Hello! How do I cancel my order? Thanks.",
        "What do I know of the Order of 1813?",
        "Is it known?",
        "Explain the order of operations",
        "Was ist die Hauptstadt von Frankreich?",
    ],
)
def test_general_questions_take_part(text: str) -> None:
    assert ineligible_text(text, POLICY) is None


def test_every_reason_has_a_meaning() -> None:
    assert set(MEANING) == set(Ineligible)
