"""The shipped head: promises that hold for any request, and that it tells clear cases apart."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custom_router.classify.embedding import EmbeddingClassifier, Head, HeadRefused
from custom_router.classify.features import NAMES, non_latin_share, surface_features
from custom_router.encoder import StaticEncoder
from custom_router.learn.measures import auroc
from custom_router.learn.plain_prompts import PLAIN_EASY, PLAIN_HARD, PLAIN_MIDDLING, UNTYPICAL_PROMPTS
from custom_router.request import RequestView
from custom_router.tiers import Tier

ENCODER = "minilm-l6-v2/static"


@pytest.fixture(scope="module")
def shipped() -> EmbeddingClassifier:
    return EmbeddingClassifier.load(encoder_version=ENCODER)


@pytest.fixture(scope="module")
def encoder() -> StaticEncoder:
    return StaticEncoder.load()


def view_of(text: str) -> RequestView:
    return RequestView.from_chat({"messages": [{"role": "user", "content": text}]})


HEAD = EmbeddingClassifier.load(encoder_version=ENCODER)
chat = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "system"]), "content": st.text(max_size=400)}),
    max_size=5,
)


@settings(deadline=None)
@given(messages=chat, tools=st.lists(st.just({"type": "function"}), max_size=3), seed=st.integers(0, 2**32 - 1))
def test_scores_are_bounded_monotone_and_repeatable(messages: list[dict], tools: list[dict], seed: int) -> None:
    view = RequestView.from_chat({"messages": messages, "tools": tools})
    vector = np.random.default_rng(seed).normal(size=384).astype(np.float32)
    vector /= np.linalg.norm(vector)
    scores = HEAD.score(view, vector)
    assert 0.0 <= scores.p_ok[Tier.SIMPLE] <= scores.p_ok[Tier.MEDIUM] <= scores.p_ok[Tier.FRONTIER] == 1.0
    assert 0.0 <= scores.ood <= 1.0
    assert scores == HEAD.score(view, vector)


@given(st.floats(-50, 50), st.floats(-5, 5), st.floats(0, 9), st.floats(-5, 5), st.floats(0, 9))
def test_medium_is_never_below_simple_whatever_the_calibration(
    difficulty: float, a: float, b: float, c: float, d: float
) -> None:
    zeros = np.zeros(384, np.float32)
    head = Head(zeros, zeros, zeros, zeros, np.array([[a, b], [c, d]], np.float32))
    simple, medium = head.p_ok(np.float32(difficulty))
    assert 0.0 <= simple <= medium <= 1.0


@given(st.text(max_size=2_000))
def test_features_are_finite_and_of_order_one(text: str) -> None:
    features = surface_features(view_of(text))
    assert features.shape == (len(NAMES),)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    assert np.abs(features).max() < 10.0


def test_features_see_what_they_name() -> None:
    def named(text: str) -> dict[str, float]:
        return dict(zip(NAMES, surface_features(view_of(text)).tolist(), strict=True))

    exam = named("Which is NOT a prime?\nA. 2\nB. 3\nC. 4\nD. 5")
    assert exam["options"] == pytest.approx(0.4)
    assert exam["ends_with_question"] == exam["negated"] == exam["asks_fact"] == 1.0
    assert named("Translate this into Dutch: hello")["asks_rewording"] == 1.0
    assert named("Hello there")["greets"] == 1.0
    assert named("Fill in: the ____ is blue")["has_blank"] == 1.0
    assert non_latin_share("привет") == 1.0
    assert non_latin_share("café crème") == 0.0


def test_another_encoder_or_a_broken_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HeadRefused, match="minilm-l6-v2/fp32 serves"):
        EmbeddingClassifier.load(encoder_version="minilm-l6-v2/fp32")
    broken = tmp_path / "head.npz"
    broken.write_bytes(b"PK\x03\x04 not really")
    with pytest.raises(HeadRefused, match="scripts/train_head"):
        EmbeddingClassifier.load(broken, encoder_version=ENCODER)
    with pytest.raises(HeadRefused, match=r"absent\.npz"):
        EmbeddingClassifier.load(tmp_path / "absent.npz", encoder_version=ENCODER)


def test_a_saved_head_scores_the_same(tmp_path: Path, shipped: EmbeddingClassifier) -> None:
    shipped.save(tmp_path / "copy.npz")
    copy = EmbeddingClassifier.load(tmp_path / "copy.npz", encoder_version=ENCODER)
    vector = np.full(384, 384**-0.5, np.float32)
    assert copy.score(view_of("What is a prime?"), vector) == shipped.score(view_of("What is a prime?"), vector)


def test_a_missing_or_misshapen_vector_is_an_error(shipped: EmbeddingClassifier) -> None:
    for vector in (None, np.zeros(3, np.float32)):
        with pytest.raises(ValueError, match="shape"):
            shipped.score(view_of("hi"), vector)


def test_artifact_is_small_and_says_where_it_is_from(shipped: EmbeddingClassifier) -> None:
    metadata = shipped.metadata
    assert set(metadata["sources"]) == {"mmlu_pro", "llmrouter", "routellm_mmlu"}
    assert all(source["licence"] and source["rows"] for source in metadata["sources"].values())
    assert "not measured" in metadata["seeds"]["note"]
    flagged = metadata["out_of_distribution"]["flagged_of_left_out_sources"]
    assert max(flagged.values()) <= 0.07


def test_clear_cases_are_told_apart_and_a_shuffle_does_not(
    shipped: EmbeddingClassifier, encoder: StaticEncoder
) -> None:
    texts = (*PLAIN_EASY, *PLAIN_HARD)
    label = np.array([1.0] * len(PLAIN_EASY) + [0.0] * len(PLAIN_HARD))
    p = np.array([score_text(shipped, encoder, text).p_ok[Tier.SIMPLE] for text in texts])
    rng = np.random.default_rng(0)
    shuffled = [auroc(rng.permutation(p), label) for _ in range(200)]
    assert auroc(p, label) > max(0.95, np.quantile(shuffled, 0.99))
    assert np.mean(shuffled) == pytest.approx(0.5, abs=0.05)


def test_gibberish_and_other_languages_are_less_typical_than_plain_english(
    shipped: EmbeddingClassifier, encoder: StaticEncoder
) -> None:
    limit = shipped.metadata["out_of_distribution"]["limit"]
    odd = [score_text(shipped, encoder, text).ood for text in UNTYPICAL_PROMPTS]
    plain = [score_text(shipped, encoder, text).ood for text in (*PLAIN_EASY, *PLAIN_MIDDLING, *PLAIN_HARD)]
    assert np.mean(np.array(odd) >= limit) >= 0.9
    assert np.mean(np.array(plain) >= limit) <= 0.05
    assert auroc(np.array(odd + plain), np.array([1.0] * len(odd) + [0.0] * len(plain))) > 0.95


def score_text(classifier: EmbeddingClassifier, encoder: StaticEncoder, text: str):  # type: ignore[no-untyped-def]
    view = view_of(text)
    return classifier.score(view, encoder.encode([view.bounded])[0])
