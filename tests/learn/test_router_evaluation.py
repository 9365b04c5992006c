"""The parts of the router's evaluation, on outcomes made for the test."""

from __future__ import annotations

import numpy as np
import pytest

from custom_router.classify.embedding import EmbeddingClassifier
from custom_router.classify.intents import IntentModel
from custom_router.encoder import StaticEncoder
from custom_router.learn.head_training import prepare
from custom_router.learn.measures import apgr
from custom_router.learn.outcomes import Outcomes
from custom_router.learn.plain_prompts import PLAIN_EASY, PLAIN_HARD, UNTYPICAL_PROMPTS
from custom_router.learn.router_baselines import anchor_complexity, needs
from custom_router.learn.router_cascades import together
from custom_router.learn.router_intents import intent_figures
from custom_router.learn.tail import tail_slices
from custom_router.learn.thresholds import Traffic
from custom_router.litellm_adapter.complexity import complexity_scores
from custom_router.policy import Policy
from tests.docs.documents import ROOT


@pytest.fixture(scope="module")
def encoder() -> StaticEncoder:
    return StaticEncoder.load()


@pytest.fixture(scope="module")
def head(encoder: StaticEncoder) -> EmbeddingClassifier:
    return EmbeddingClassifier.load(encoder_version=encoder.version, intents=IntentModel.fit(encoder.encode))


def made(texts: tuple[str, ...], group: list[str], simple: np.ndarray) -> Outcomes:
    score = np.column_stack([simple, simple, np.ones(len(texts))])
    return Outcomes([*texts], np.array(group), np.ones(len(texts), bool), score, 1.0 - simple)


def test_every_baseline_lies_between_chance_and_the_oracle(encoder: StaticEncoder) -> None:
    texts = (*PLAIN_EASY, *PLAIN_HARD)
    easy = np.array([1.0] * len(PLAIN_EASY) + [0.0] * len(PLAIN_HARD))
    outcomes = made(texts, ["easy"] * len(PLAIN_EASY) + ["hard"] * len(PLAIN_HARD), easy)
    found = needs(outcomes, 1.0 - easy, encoder.encode(texts), encoder.encode)
    area = {name: apgr(need, outcomes.score[:, 0], outcomes.score[:, 2]) for name, need in found.items()}
    assert area["oracle"] == area["head"] == area["the source's own gap, in hindsight"] == max(area.values())
    assert area["head, shuffled within each source"] == area["head"]  # here the source says it all
    assert area["head, shuffled"] < area["head"]
    assert all(len(need) == len(texts) for need in found.values())


def test_anchors_put_proofs_above_greetings(encoder: StaticEncoder) -> None:
    hard, easy = (anchor_complexity(encoder.encode(texts), encoder.encode) for texts in (PLAIN_HARD, PLAIN_EASY))
    assert hard.mean() > easy.mean()
    assert 0.0 <= min(easy.min(), hard.min()) <= max(easy.max(), hard.max()) <= 10.0


def test_litellms_scorer_is_litellms() -> None:
    plain, reasoning = complexity_scores(["hi", "Think through this step by step and prove the theorem rigorously."])
    assert plain < reasoning


def test_the_tail_is_told_from_prompts_alone(encoder: StaticEncoder, head: EmbeddingClassifier) -> None:
    texts = ("Can my landlord keep the security deposit?", "Hello there", "Solve for x: x^2 = 9", UNTYPICAL_PROMPTS[0])
    prompts = prepare(texts, np.array(["a"] * 4), encoder.encode)
    policy = Policy.load(ROOT / "routing_policy.yaml")
    slices = {name: at.tolist() for name, at in tail_slices(prompts, head.typicality, policy)}
    assert slices["high stakes"] == [True, False, False, False]
    assert slices["hard"] == [False, False, True, False]
    assert slices["rare"][3]


def test_intent_figures_count_what_is_named(encoder: StaticEncoder, head: EmbeddingClassifier) -> None:
    text = "Write a Python function that adds two numbers."
    outcomes = made((text, text), ["llmrouter:mbpp"] * 2, np.ones(2))
    figures = {one.name: one for one in intent_figures(head, encoder.encode, outcomes)}
    assert figures["probes"].right > 0.9
    assert (figures["llmrouter:mbpp"].rows, figures["llmrouter:mbpp"].named, figures["llmrouter:mbpp"].right) == (
        2,
        1,
        1,
    )
    assert "cascade_gsm8k" not in figures


def test_gate_and_routing_are_chosen_elsewhere_and_a_telling_gate_beats_a_blind_route() -> None:
    def cascade(seed: int) -> Traffic:
        rng = np.random.default_rng(seed)
        good = (rng.random((400, 2)) < (0.5, 0.8)).astype(float)
        confidence = np.where(good > 0.5, 0.95, 0.1) + rng.normal(0, 0.02, good.shape)
        cost = np.tile([1.0, 4.0, 20.0], (400, 1))
        p = rng.uniform(0.7, 0.9, (400, 2))
        return Traffic(p, np.column_stack([good, np.ones(400)]), cost, np.clip(confidence, 0, 1), climbs=True)

    found = {one.name: one for one in together([cascade(seed) for seed in range(3)], most_cost=0.5)}
    assert found["gate alone"].quality.value > found["routing alone"].quality.value + 0.1
    assert found["both"].quality.value >= found["routing alone"].quality.value
    assert all(one.cost.value < 0.55 for one in found.values())
