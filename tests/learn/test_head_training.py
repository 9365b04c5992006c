"""Training on synthetic sources: what it finds, what it must not find, and what reading data keeps."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from custom_router.classify.features import NAMES
from custom_router.encoder.fake import FakeEncoder
from custom_router.learn.head_training import (
    SEED_GROUP,
    Prompts,
    TrainingSet,
    calibrate,
    group_weights,
    out_of_source,
    view_of,
)
from custom_router.learn.matrix import encode_cached, read_outcomes, without_options
from custom_router.learn.measures import auroc, ece
from custom_router.learn.tier_mix import choose, mix


def synthetic(signal: float) -> TrainingSet:
    """Three sources of 400 rows whose base difficulty differs, with a direction that counts within each."""
    rng = np.random.default_rng(1)
    n = 1_200
    group = np.repeat(["a", "b", "c"], 400)
    offset = np.repeat([0.2, 0.5, 0.8], 400)
    vectors = rng.normal(size=(n, 384)).astype(np.float32)
    vectors[:, 0] += offset * 10  # the source shows in the vector: learning it must not help
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    features = rng.normal(size=(n, len(NAMES))).astype(np.float32)
    p = np.clip(offset + signal * features[:, 0], 0.02, 0.98)
    difficulty = (rng.random(n) < p).astype(float)
    prompts = Prompts([view_of("x")] * n, vectors, features, group)
    return TrainingSet(prompts, prompts, difficulty, np.column_stack([1 - difficulty, np.full(n, np.nan)]))


def within_source_auroc(data: TrainingSet) -> float:
    predicted = out_of_source(data)
    group = data.prompts.group
    return float(np.mean([auroc(predicted[group == g], data.difficulty[group == g]) for g in data.groups]))


def test_a_real_direction_carries_over_to_an_unseen_source() -> None:
    assert within_source_auroc(synthetic(signal=0.2)) > 0.65


def test_without_a_signal_the_unseen_source_is_at_chance() -> None:
    assert within_source_auroc(synthetic(signal=0.0)) == pytest.approx(0.5, abs=0.05)


def test_calibration_recovers_a_known_curve_and_never_rewards_difficulty() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=20_000)
    p = 1 / (1 + np.exp(-(0.5 - 1.5 * x)))
    y = (rng.random(20_000) < p).astype(float)
    weight = np.full(20_000, 1 / 20_000)
    fitted = calibrate(x, np.column_stack([y, 1 - y]), weight)
    assert fitted[0] == pytest.approx([0.5, 1.5], abs=0.1)
    assert ece(1 / (1 + np.exp(-(fitted[0, 0] - fitted[0, 1] * x))), y) < 0.02
    # The second column falls where it should rise: its slope is dropped and the base rate kept.
    assert fitted[1, 1] == 0.0
    assert 1 / (1 + np.exp(-fitted[1, 0])) == pytest.approx(1 - y.mean(), abs=1e-6)


def test_group_weights_use_the_root_of_the_size_and_a_fixed_seed_share() -> None:
    group = np.array(["a"] * 4 + ["b"] * 16 + [SEED_GROUP] * 2)
    weight = group_weights(group, seed_share=0.25)
    assert weight.sum() == pytest.approx(1.0)
    assert weight[group == SEED_GROUP].sum() == pytest.approx(0.25)
    assert weight[group == "b"].sum() / weight[group == "a"].sum() == pytest.approx(2.0)


def test_options_are_cut_and_other_text_is_left_alone() -> None:
    assert without_options("Which one?\nA. x\nB. y\nAnswer:") == "Which one?"
    assert without_options("Which one?\n\nChoices:\nA: x\nB: y") == "Which one?"
    assert without_options("Write a haiku.") == "Write a haiku."
    assert without_options("\nA. only options\nB. here")


def test_outcomes_are_read_with_their_groups_and_missing_medium(tmp_path: Path) -> None:
    rows = [
        {"source": "llmrouter", "category": "gsm8k", "prompt": "p", "tiers": {"small": "s", "strong": "t"},
         "models": {"s": {"score": 0.5}, "t": {"score": 0.5}, "mistral-7b-instruct-v0.3": {"score": 0.25}}},
        {"source": "cascade_x", "category": "", "prompt": "q", "tiers": {"small": "s", "mid": "m", "strong": "t"},
         "models": {"s": {"score": 0.0}, "m": {"score": 1.0}, "t": {"score": 1.0}}},
        {"source": "cascade_x", "category": "", "prompt": None, "tiers": {"small": "s", "strong": "t"},
         "models": {"s": {"score": 0.0}, "t": {"score": 1.0}}},
    ]  # fmt: skip
    with gzip.open(tmp_path / "router.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    outcomes = read_outcomes(tmp_path)
    assert outcomes.group.tolist() == ["llmrouter:gsm8k", "cascade_x"]
    assert outcomes.trainable.tolist() == [True, False]
    assert outcomes.suffices(0).tolist() == [1.0, 0.0]
    assert np.isnan(outcomes.suffices(1)[0])
    assert outcomes.suffices(1)[1] == 1.0
    assert outcomes.difficulty.tolist() == [0.75, 1.0]


def test_vectors_are_encoded_once(tmp_path: Path) -> None:
    class Counting(FakeEncoder):
        calls = 0

        def encode(self, texts):  # type: ignore[no-untyped-def]
            Counting.calls += len(texts)
            return super().encode(texts)

    encoder = Counting()
    first = encode_cached(["a", "b", "a"], encoder, tmp_path)
    again = encode_cached(["b", "a"], encoder, tmp_path)
    assert Counting.calls == 2
    np.testing.assert_array_equal(first[:2], again[::-1])


def test_mix_by_hand() -> None:
    p_ok = np.array([[0.9, 0.9], [0.5, 0.9], [0.5, 0.6]])
    tier = choose(p_ok, 0.8, 0.8)
    assert tier.tolist() == [0, 1, 2]
    score = np.array([[1.0, 1, 1], [0, 0.5, 1], [0, 0, 1]])
    result = mix(tier, score, np.zeros(3), np.full(3, 1 / 3))
    assert result.shares == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert result.quality == pytest.approx(2.5 / 3)
    assert result.cost == pytest.approx((1.2 + 4 + 20) / 60)
    assert result.shuffled_quality < result.quality
