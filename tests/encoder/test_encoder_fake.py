"""The encoders without MiniLM: the fake, and sentence-transformers when it is not there."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_router.encoder import EncoderUnavailable, FakeEncoder
from custom_router.encoder.transformer import SentenceTransformerEncoder


@given(texts=st.lists(st.text(st.characters(exclude_categories=())), max_size=5), dimension=st.integers(1, 64))
def test_fake_vectors_are_unit_and_repeatable(texts: list[str], dimension: int) -> None:
    vectors = FakeEncoder(dimension).encode(texts)
    assert vectors.shape == (len(texts), dimension)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    np.testing.assert_array_equal(vectors, FakeEncoder(dimension).encode(texts))


def test_fake_similarity_is_shared_words() -> None:
    a, reordered, near, far = FakeEncoder(2**20).encode(  # so many slots that these words share none
        ["reset the password", "password: RESET the!", "reset the router", "boil two eggs"]
    )
    assert a @ reordered == pytest.approx(1.0)
    assert a @ near == pytest.approx(2 / 3)
    assert a @ far == pytest.approx(0.0)


def test_fake_vectors_are_the_same_in_every_process() -> None:
    code = "from custom_router.encoder import FakeEncoder; print(FakeEncoder(16).encode(['a b c']).tolist())"
    runs = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1


def test_fake_needs_a_dimension() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        FakeEncoder(0)


@pytest.mark.skipif(
    importlib.util.find_spec("sentence_transformers") is not None,
    reason="the extra `transformers` is installed, so its absence cannot be shown",
)
def test_sentence_transformers_missing_names_the_extra() -> None:
    with pytest.raises(EncoderUnavailable, match=r"litellm-tier-router\[transformers\]"):
        SentenceTransformerEncoder()
