"""Training on synthetic sources: what it finds, what it must not find, and what reading data keeps."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from custom_router.classify.features import NAMES
from custom_router.encoder.fake import FakeEncoder
from custom_router.learn.head_calibration import (
    SEED_GROUP,
    calibrate,
    calibrate_elsewhere,
    choose_shrinkage,
    group_weights,
)
from custom_router.learn.head_training import Prompts, TrainingSet, out_of_source, view_of
from custom_router.learn.measures import auroc, ece
from custom_router.learn.outcomes import encode_cached, read_outcomes, without_options
from custom_router.learn.tier_mix import PROFILES, choose, mix, over_shuffle
from custom_router.policy.profiles import load_profiles


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


def outcome_of(source_slopes: dict[str, float], rows: int = 2_000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Difficulty, labels of both tiers and source of rows whose log-odds fall with the slope of their source."""
    rng = np.random.default_rng(3)
    group = np.repeat(list(source_slopes), rows)
    x = rng.normal(size=len(group))
    p = 1 / (1 + np.exp(x * np.repeat(list(source_slopes.values()), rows)))
    y = (rng.random(len(group)) < p).astype(float)
    return x, np.column_stack([y, y]), group


def test_the_slope_is_kept_where_it_carries_over_and_shrunk_where_it_does_not() -> None:
    assert choose_shrinkage(*outcome_of({"a": 1.5, "b": 1.5, "c": 1.5})).factor == pytest.approx(1.0, abs=0.1)
    contested = choose_shrinkage(*outcome_of({"a": 3.0, "b": 0.3, "c": 0.3, "d": 0.3}))
    assert 0.0 < contested.factor < 0.9
    losses = {factor: sum(loss) for factor, loss in contested.log_loss.items()}
    assert losses[contested.factor] == min(losses.values()) < losses[1.0]


def test_the_intercept_still_meets_the_base_rate_after_shrinking() -> None:
    x, labels, _ = outcome_of({"a": 2.0})
    weight = np.full(len(x), 1 / len(x))
    full, half = calibrate(x, labels, weight), calibrate(x, labels, weight, factor=0.5)
    assert half[:, 1] == pytest.approx(full[:, 1] / 2)
    assert (1 / (1 + np.exp(half[0, 1] * x - half[0, 0]))).mean() == pytest.approx(labels[:, 0].mean(), abs=1e-6)


def test_the_calibration_for_a_source_never_sees_its_labels() -> None:
    x, labels, group = outcome_of({"a": 1.0, "b": 1.0, "c": 1.0}, rows=300)
    flipped = np.where((group == "a")[:, None], 1 - labels, labels)
    one, other = calibrate_elsewhere(x, labels, group), calibrate_elsewhere(x, flipped, group)
    np.testing.assert_array_equal(one["a"], other["a"])
    assert not np.allclose(one["b"], other["b"])


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


def test_a_view_of_another_length_is_encoded_anew_and_a_short_prompt_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Seen(FakeEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.texts: list[str] = []

        def encode(self, texts):  # type: ignore[no-untyped-def]
            self.texts += texts
            return super().encode(texts)

    encoder = Seen()
    views = [view_of("short"), view_of("word " * 500)]
    for limit in (700, 300):
        monkeypatch.setattr("custom_router.request.ENCODED_CHARS", limit)
        encode_cached([view.bounded for view in views], encoder, tmp_path)
    assert [len(text) for text in encoder.texts] == [5, 700, 300]


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


def test_the_shuffle_has_the_same_weighted_mix() -> None:
    # One source of one easy row that counts half, one of three hard rows that count the other half.
    score = np.array([[1.0, 1, 1], [0, 1, 1], [0, 1, 1], [0, 1, 1]])
    weight = np.array([1 / 2, 1 / 6, 1 / 6, 1 / 6])
    result = mix(np.array([0, 2, 2, 2]), score, np.zeros(4), weight)
    assert result.quality == pytest.approx(1.0)
    assert result.shuffled_quality == pytest.approx(0.5 * 0.5 + 0.5)


def test_quality_over_the_shuffle_is_nothing_for_blind_scores_and_clear_for_good_ones() -> None:
    rng = np.random.default_rng(4)
    easy = rng.random(3_000) < 0.5
    score = np.column_stack([easy, np.full(3_000, 0.9), np.ones(3_000)]).astype(float)
    group, weight = np.repeat(["a", "b", "c"], 1_000), np.full(3_000, 1 / 3_000)

    def above(p: np.ndarray) -> tuple[float, float]:
        found = over_shuffle(np.column_stack([p, p]), score, group, weight, (0.5, 0.9))
        return found.low, found.high

    blind = above(rng.random(3_000))
    assert blind[0] < 0.0 < blind[1]
    assert above(np.where(easy, 0.8, 0.2))[0] > 0.2


def test_profiles_hold_the_thresholds_that_were_measured() -> None:
    for name, profile in load_profiles().items():
        set_here = [value for path, value in profile.changes.items() if path[-1] == "threshold"]
        if set_here:
            assert tuple(set_here) == PROFILES[name]
