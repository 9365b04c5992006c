"""The shipped artifact on prompts that it was not fitted on."""

import pytest

from custom_router.domains.model import DomainModel
from custom_router.encoder import MiniLMEncoder
from custom_router.learn.domain_rows import NAMES, SOURCES, seed_rows
from custom_router.request import RequestView

FINANCE = [
    "My bank wants to raise the rate on our company loan. What should I check first?",
    "How do I book a customer refund that belongs to the previous quarter?",
    "Which fund should I choose for my kid's education in twelve years?",
    "What did operating costs come to in the second quarter compared with last year?",
    "Are dividends from my holding company taxed twice?",
    "platinum gains as the dollar weakens, traders wait for jobs figures",
    "somebody took money from my account with a copied card",
    "How would higher rates affect the value of our bond portfolio?",
]
LEGAL = [
    "Our tenant stopped paying in March, how fast can we get him out?",
    "Is a promise in an email enough to bind the company?",
    "The Vendor shall defend the Client against any third-party claim that the Software infringes a patent.",
    "Can they dismiss me because I joined a union?",
    "Who owns the rights in a logo that a freelancer drew for us?",
    "A witness wants to repeat what she heard the victim say. Should the court admit it?",
    "Must we delete a former customer's details when he asks us to?",
    "My wife and I are separating and can't agree on who keeps the children.",
]
NEITHER = [
    "Write a limerick about a giraffe on roller skates.",
    "How long should I marinate tofu?",
    "Why does entropy increase in a closed system?",
    "Write a function that reverses each word of a sentence.",
    "What should we see during two days in Porto?",
    "Which muscles does a deadlift train?",
    "Translate 'see you next week' into Dutch.",
    "What is the integral of sin squared?",
    "Olivia has 15 marbles and gives 4 to each of her two cousins. How many are left?",
    "who composed the four seasons",
]


@pytest.fixture(scope="module")
def encoder() -> MiniLMEncoder:
    return MiniLMEncoder.load()


@pytest.fixture(scope="module")
def model(encoder: MiniLMEncoder) -> DomainModel:
    return DomainModel.load(encoder_version=encoder.version)


def flagged(text: str, encoder: MiniLMEncoder, model: DomainModel) -> set[str]:
    view = RequestView.from_chat({"messages": [{"role": "user", "content": text}]})
    (vector,) = encoder.encode([view.bounded])
    found = model.probabilities(vector)
    return {name for name, threshold in model.metadata["thresholds"].items() if found[name] >= threshold}


def test_prompts_of_a_domain_are_flagged_and_others_are_not(encoder: MiniLMEncoder, model: DomainModel) -> None:
    seen = {row.text for row in seed_rows()}
    assert not seen & {*FINANCE, *LEGAL, *NEITHER}
    missed = [text for text in FINANCE if "finance" not in flagged(text, encoder, model)]
    missed += [text for text in LEGAL if "legal" not in flagged(text, encoder, model)]
    wrong = [text for text in NEITHER if flagged(text, encoder, model)]
    assert len(missed) <= 1, missed
    assert not wrong


def test_both_precisions_of_the_encoder_may_read_it(model: DomainModel) -> None:
    for version in ("minilm-l6-v2/int8-pc", "minilm-l6-v2/fp32"):
        assert DomainModel.load(encoder_version=version).names == NAMES


def test_the_artifact_says_where_it_comes_from(model: DomainModel) -> None:
    assert DomainModel.shipped() == set(NAMES)
    assert set(model.metadata["sources"]) == set(SOURCES)
    assert all(source["licence"] and source["rows"] for source in model.metadata["sources"].values())
    assert model.metadata["held_out"]["recall_finance"] >= 0.85
    assert model.metadata["held_out"]["recall_legal"] >= 0.85
    assert model.metadata["held_out"]["false_flags_plain"] <= 0.04
