"""The intent model: what it names, what it leaves unnamed, and that examples alone extend it."""

from collections.abc import Iterator
from importlib import resources

import numpy as np
import pytest
import yaml

from custom_router.classify.features import surface_features
from custom_router.classify.intents import IntentModel, shipped_examples
from custom_router.encoder import StaticEncoder
from custom_router.request import RequestView

INTENTS = {
    "extraction", "classification", "formatting", "rewriting", "translation", "summarising", "lookup", "rag_answer",
    "chat", "code", "mathematics", "planning", "analysis", "creative",
}  # fmt: skip
LONG_TEXT = "The ferry to the island leaves from pier four every morning, and the crossing takes about two hours. " * 6


@pytest.fixture(scope="module")
def encoder() -> StaticEncoder:
    return StaticEncoder.load()


@pytest.fixture(scope="module")
def model(encoder: StaticEncoder) -> IntentModel:
    return IntentModel.fit(encoder.encode)


def name(model: IntentModel, text: str) -> str | None:
    view = RequestView.from_chat({"messages": [{"role": "user", "content": text}]})
    return model.recognise(view, model.encode([view.bounded])[0], surface_features(view))


def probes() -> Iterator[tuple[str, str]]:
    held = resources.files("custom_router") / "learn" / "intent_probes.yaml"
    for intent, texts in yaml.safe_load(held.read_text("utf-8")).items():
        yield from ((intent, text) for text in texts)


def test_the_named_intents_are_shipped_and_their_probes_are_others() -> None:
    assert set(shipped_examples()) == INTENTS
    fitted = {text for texts in shipped_examples().values() for text in texts}
    assert {intent for intent, _ in probes()} == INTENTS
    assert not fitted & {text for _, text in probes()}


def test_named_probes_are_named_rightly_and_a_shuffle_is_not(model: IntentModel) -> None:
    said = [(intent, name(model, text)) for intent, text in probes()]
    named = [(intent, found) for intent, found in said if found is not None]
    assert len(named) > 0.65 * len(said)
    assert np.mean([intent == found for intent, found in named]) > 0.9
    shuffled = np.random.default_rng(0).permutation([found for _, found in named])
    assert np.mean([intent == found for (intent, _), found in zip(named, shuffled, strict=True)]) < 0.3


def test_of_a_long_text_the_instruction_counts_wherever_it_stands(model: IntentModel) -> None:
    assert name(model, f"Translate the following text into Italian.\n\n{LONG_TEXT}") == "translation"
    assert name(model, f"{LONG_TEXT}\n\nTranslate this text into Italian.") == "translation"


@pytest.mark.parametrize("text", ["", " \n ", "qwlkj zxcvm asdpo iuyqw nbvxz lkjhg"])
def test_nothing_is_named_where_nothing_is_said(model: IntentModel, text: str) -> None:
    assert name(model, text) is None


def test_examples_alone_add_an_intent_and_disturb_no_other(encoder: StaticEncoder, model: IntentModel) -> None:
    added = [
        "Book a table for four at seven tonight.",
        "Reserve two seats on the early train to Lyon.",
        "Book me a room with a sea view for Saturday.",
        "Please reserve a rental car from Monday to Friday.",
        "I would like to book an appointment with the dentist.",
        "Reserve the meeting room for tomorrow at ten.",
    ]
    extended = IntentModel.fit(encoder.encode, {"booking": added})
    assert name(extended, "Reserve a table for two on Friday evening.") == "booking"
    for text in ("Translate 'see you soon' into French.", "Write a Python function that reverses a list."):
        assert name(extended, text) == name(model, text) is not None


def test_more_examples_of_a_known_intent_are_learned_from(encoder: StaticEncoder, model: IntentModel) -> None:
    odd = "frobnicate the quux widgets"
    assert name(model, odd) != "formatting"
    taught = IntentModel.fit(encoder.encode, {"formatting": [odd, "frobnicate all quux widgets", "frobnicate widgets"]})
    assert name(taught, odd) == "formatting"
