"""The table of static token embeddings, as converted from the real weights."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custom_router.encoder import StaticEncoder
from custom_router.encoder.convert import FIRST_WORD, static_table


@pytest.fixture(scope="module")
def static(ready_cache: Path) -> StaticEncoder:
    return StaticEncoder.load(ready_cache)


@settings(max_examples=60, deadline=None)
@given(text=st.text(st.characters(exclude_categories=()), max_size=200))
def test_any_text_gives_a_unit_vector_or_zero_without_tokens(static: StaticEncoder, text: str) -> None:
    read = static.read(text)
    assert read.embeddings.shape == (len(read.tokens), 384)
    assert np.linalg.norm(read.vector) == pytest.approx(1.0 if len(read.tokens) else 0.0, abs=1e-4)
    np.testing.assert_array_equal(static.encode([text])[0], read.vector)


def test_related_words_are_nearer_than_unrelated_ones(static: StaticEncoder) -> None:
    loan, mortgage, giraffe = static.encode(["a loan from the bank", "a mortgage from the lender", "a tall giraffe"])
    assert loan @ mortgage > loan @ giraffe + 0.1


def test_word_order_does_not_count(static: StaticEncoder) -> None:
    one, other = static.encode(["river garden", "garden river"])
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_the_table_is_shared_between_processes(static: StaticEncoder) -> None:
    assert isinstance(static.table.base, np.memmap)
    assert not static.table.flags.writeable
    assert static.table.dtype == np.float16


def test_the_table_is_centred_on_words_and_weighs_rare_ones_more() -> None:
    rng = np.random.default_rng(0)
    words = rng.normal(size=(FIRST_WORD + 2_000, 4)) + 3.0
    table = static_table(words).astype(np.float64)
    centred = words - words[FIRST_WORD:].mean(axis=0)
    scale = np.linalg.norm(table, axis=1) / np.linalg.norm(centred, axis=1)
    assert (np.diff(scale[FIRST_WORD + 1 :]) > -1e-2).all()
    assert scale[-1] > 2 * scale[FIRST_WORD + 5]


def test_a_damaged_table_is_rebuilt(own_cache: Path, own_folder: Path, static: StaticEncoder) -> None:
    path = own_folder / "static.npy"
    path.write_bytes(path.read_bytes()[:-100])
    rebuilt = StaticEncoder.load(own_cache)
    np.testing.assert_array_equal(rebuilt.encode(["a clause"]), static.encode(["a clause"]))
