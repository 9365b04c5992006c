"""The domain screen: what it may never rule out, and the shipped artifact's figures."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from custom_router.domains.model import DomainModel
from custom_router.domains.screen import FORMAT, LEAST_TOKENS, UNTYPICAL, DomainScreen, ScreenRefused, WindowNetwork
from custom_router.encoder import StaticEncoder
from custom_router.learn.domain_rows import NAMES
from custom_router.learn.domain_screen_network import Fit, fit_network
from custom_router.learn.domain_screen_training import LOST, Evidence
from custom_router.learn.plain_prompts import PLAIN_PROMPTS

STATIC, ENCODER = "minilm-l6-v2/static", "minilm-l6-v2/int8-pc"


def screen(level: float = -5.0, margin: float = 2.0) -> DomainScreen:
    """Says `level` of every text."""
    zeros = np.zeros((4, 3), np.float32), np.zeros(1, np.float32), np.zeros((2, 1), np.float32)
    network = WindowNetwork(
        *zeros, np.zeros(1, np.float32), np.zeros((1, 1), np.float32), np.full(1, level, np.float32)
    )
    versions = {"static": STATIC, "encoders": [ENCODER]}
    return DomainScreen(network, {"format": FORMAT, "names": ["legal"], "margins": {"legal": margin}, **versions})


TEXT = np.ones((5, 4), np.float32)


def test_a_domain_is_ruled_out_only_below_its_threshold_less_the_margin() -> None:
    assert not screen(-5.0, 2.0).could_match(TEXT, 0.0, {"legal": 0.18})
    assert screen(-5.0, 2.0).could_match(TEXT, 0.0, {"legal": 0.04})
    assert screen(-5.0, 4.0).could_match(TEXT, 0.0, {"legal": 0.18})
    assert not screen(5.0).could_match(TEXT, 0.0, {"legal": 1.0}), "nothing reaches certainty"


@given(
    level=st.floats(-30, 30), low=st.floats(0, 1), high=st.floats(0, 1), ood=st.floats(0, 1), tokens=st.integers(0, 9)
)
def test_a_lower_threshold_never_lets_less_through(
    level: float, low: float, high: float, ood: float, tokens: int
) -> None:
    low, high = sorted((low, high))
    text = np.ones((tokens, 4), np.float32)
    made = screen(level)
    assert made.could_match(text, ood, {"legal": low}) >= made.could_match(text, ood, {"legal": high})


@pytest.mark.parametrize(
    ("level", "tokens", "ood", "domain"),
    [
        (-9.0, LEAST_TOKENS - 1, 0.0, "legal"),
        (-9.0, 5, UNTYPICAL, "legal"),
        (-9.0, 5, float("nan"), "legal"),
        (float("nan"), 5, 0.0, "legal"),
        (-9.0, 5, 0.0, "medical"),
    ],
    ids=["short", "untypical", "no number of typicality", "no number", "unknown domain"],
)
def test_what_it_cannot_judge_goes_through(level: float, tokens: int, ood: float, domain: str) -> None:
    assert screen(level).could_match(np.ones((tokens, 4), np.float32), ood, {domain: 0.9})


@given(arrays.arrays(np.float32, (7, 4), elements=st.floats(-2, 2, width=32)))
def test_the_network_is_what_its_formula_says(embeddings: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    shapes = [(4, 6), (2,), (4, 3), (3,), (3, 2), (2,)]
    network = WindowNetwork(*(rng.normal(size=shape).astype(np.float32) for shape in shapes))
    before, at, after = np.split(network.window_weights, 3, axis=1)
    framed = np.vstack([np.zeros(4), embeddings, np.zeros(4)])
    seen = np.array([framed[i] @ before + framed[i + 1] @ at + framed[i + 2] @ after for i in range(7)])
    seen = np.maximum(seen + network.window_bias, 0)
    pooled = np.concatenate([seen.max(0), seen.mean(0)])
    hidden = np.maximum(pooled @ network.pooled_weights + network.pooled_bias, 0)
    expected = hidden @ network.out_weights + network.out_bias
    np.testing.assert_allclose(network.logits(embeddings), expected, rtol=1e-3, atol=1e-3)


def test_gradients_agree_with_differences() -> None:
    rng = np.random.default_rng(1)
    fit = Fit(rng.normal(size=(20, 6)).astype(np.float16), 2, np.zeros(2, np.float32), 0)
    fit.parameters = [value.astype(np.float64) for value in fit.parameters]
    fit.table = fit.table.astype(np.float64)
    ids = np.array([[20, 3, 5, 7, 20], [20, 4, 20, 20, 20]], np.int32)
    target, weight = rng.normal(size=(2, 2)), np.array([1.0, 2.0])
    found, _ = fit.gradients(ids, target, weight)
    for parameter, gradient in zip(fit.parameters, found, strict=True):
        at = np.unravel_index(np.abs(gradient).argmax(), gradient.shape)
        parameter[at] += 1e-6
        higher = fit.gradients(ids, target, weight)[1]
        parameter[at] -= 2e-6
        lower = fit.gradients(ids, target, weight)[1]
        parameter[at] += 1e-6
        assert (higher - lower) / 2e-6 == pytest.approx(gradient[at], rel=1e-3)


def test_training_finds_one_telling_token_among_many() -> None:
    rng = np.random.default_rng(2)
    table = rng.normal(size=(50, 16)).astype(np.float16)
    tokens = [rng.integers(1, 50, int(rng.integers(3, 30))).astype(np.int32) for _ in range(1_500)]
    for ids in tokens[::2]:
        ids[rng.integers(len(ids))] = 0
    logits = np.array([[1.0 if 0 in ids else -5.0] for ids in tokens], np.float32)
    network = fit_network(table, tokens[:1_000], logits[:1_000], np.ones(1_000, np.float32), epochs=150)
    said = np.array([network.logits(table[ids].astype(np.float32))[0] for ids in tokens[1_000:]])
    present = logits[1_000:, 0] > 0
    assert np.mean((said > -2.0) == present) > 0.95


def test_margins_lose_the_share_of_flags_they_name() -> None:
    rng = np.random.default_rng(3)
    logits = rng.normal(-3, 2, (4_000, 2))
    predicted = logits + rng.normal(0, 1, logits.shape)
    found = Evidence(predicted, logits, rng.random(4_000) < 0.3, np.array([-1.4, -1.5]))
    strict, loose = found.margins(0.01), found.margins(0.05)
    assert (strict > loose).all()
    below = predicted[:, 0] + strict[0] < -1.4
    assert below[found.flagged[:, 0]].mean() == pytest.approx(0.01, abs=0.003)
    assert found.point(0.05)["skipped_of_unflagged"] > found.point(0.01)["skipped_of_unflagged"]


# the artifact -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shipped() -> DomainScreen:
    return DomainScreen.load(static_version=STATIC, encoder_version=ENCODER)


def test_a_saved_screen_says_the_same(tmp_path: Path, shipped: DomainScreen) -> None:
    shipped.save(tmp_path / "copy.npz")
    copy = DomainScreen.load(tmp_path / "copy.npz", static_version=STATIC, encoder_version=ENCODER)
    text = np.random.default_rng(0).normal(0, 0.05, (9, 384)).astype(np.float32)
    assert copy.logits(text) == pytest.approx(shipped.logits(text), abs=1e-3)


def test_the_artifact_says_where_it_comes_from_and_what_it_loses(shipped: DomainScreen) -> None:
    metadata = shipped.metadata
    assert shipped.names == NAMES
    assert set(metadata["encoders"]) == set(DomainModel.load(encoder_version=ENCODER).metadata["encoders"])
    assert {"banking77", "clinc150", "mmlu_pro", "llmrouter", "routellm_mmlu", "seeds"} <= set(metadata["sources"])
    assert all(source["licence"] and source["rows"] for source in metadata["sources"].values())
    assert metadata["lost"] == LOST
    (point,) = (point for point in metadata["curve"] if point["level"] == LOST)
    assert point["margins"] == list(metadata["margins"].values())
    assert point["lost_of_flagged"] <= 0.02
    assert point["skipped_of_unflagged"] >= 0.6


def test_plain_prompts_are_spared_and_a_hidden_word_of_law_is_not(shipped: DomainScreen) -> None:
    static = StaticEncoder.load()

    def asked(text: str) -> bool:
        return shipped.could_match(static.read(text).embeddings, 0.0, {"finance": 0.2, "legal": 0.18})

    assert np.mean([asked(text) for text in PLAIN_PROMPTS]) < 0.6  # some of them are about money or law
    filler = "We walked along the river, had lunch under the old tree and watched the boats until evening came. "
    assert not asked(filler * 3)
    assert asked(filler * 2 + "Can my landlord evict me before the lease ends? " + filler)


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


def missing(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("damage", [missing, truncated])
def test_a_damaged_artifact_is_refused_with_the_mend(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    path = tmp_path / "screen.npz"
    screen().save(path)
    damage(path)
    with pytest.raises(ScreenRefused, match="train_screen"):
        DomainScreen.load(path, static_version=STATIC, encoder_version=ENCODER)


@pytest.mark.parametrize("versions", [("other", ENCODER), (STATIC, "other")])
def test_other_encoders_are_refused(tmp_path: Path, versions: tuple[str, str]) -> None:
    screen().save(tmp_path / "screen.npz")
    with pytest.raises(ScreenRefused, match="Fit again"):
        DomainScreen.load(tmp_path / "screen.npz", static_version=versions[0], encoder_version=versions[1])
