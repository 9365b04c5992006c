"""`MiniLMEncoder` as its callers see it."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custom_router.encoder import MiniLMEncoder

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=200)  # surrogates included


def assert_unit(encoder: MiniLMEncoder, texts: list[str]) -> None:
    vectors = encoder.encode(texts)
    assert vectors.shape == (len(texts), 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(texts=st.lists(ANY_TEXT, max_size=3))
def test_any_text_gives_a_unit_vector(int8: MiniLMEncoder, texts: list[str]) -> None:
    assert_unit(int8, texts)


@pytest.mark.parametrize(
    "text",
    ["", " ", "\x00\x00\x00", "\ud800", "a\udfffb", "x" * 1_000_000, "word " * 200_000, " " * 1_000_000,
     "漢" * 300_000, "[CLS] [SEP] [PAD] [MASK]", "\u202e\u0301" * 5_000],
    ids=["empty", "blank", "nul", "high surrogate", "low surrogate", "1 MB blob", "1 MB words", "1 MB blanks",
         "1 MB Chinese", "special tokens", "marks"],
)  # fmt: skip
def test_hostile_text_does_not_raise(int8: MiniLMEncoder, text: str) -> None:
    assert_unit(int8, [text])


def test_no_texts_give_no_rows(int8: MiniLMEncoder) -> None:
    assert int8.encode([]).shape == (0, 384)


def test_a_split_surrogate_pair_reads_as_its_character(int8: MiniLMEncoder) -> None:
    joined, split = int8.encode(["party \U0001f389", "party \ud83c\udf89"])
    np.testing.assert_array_equal(joined, split)


def test_a_text_has_one_vector_whatever_it_is_sent_with(int8: MiniLMEncoder) -> None:
    long = "A clause that goes on and on. " * 40
    together = int8.encode(["Is this enforceable?", long, ""])
    alone = int8.encode(["Is this enforceable?"])
    np.testing.assert_array_equal(together[0], alone[0])


def test_it_reads_past_the_128_tokens_the_tokenizer_file_asks_for_and_stops_at_256(int8: MiniLMEncoder) -> None:
    def ending(words: int, last: str) -> str:
        return "water " * words + last

    at_200 = int8.encode([ending(200, "lawsuit"), ending(200, "banana")])
    assert not np.array_equal(at_200[0], at_200[1])
    at_254 = int8.encode([ending(254, "lawsuit"), ending(254, "banana")])
    np.testing.assert_array_equal(at_254[0], at_254[1])


def test_threads_share_an_encoder(int8: MiniLMEncoder) -> None:
    texts = [f"Question {i}: " + "why " * i for i in range(24)]
    expected = int8.encode(texts)
    with ThreadPoolExecutor(4) as pool:
        rows = list(pool.map(lambda text: int8.encode([text])[0], texts * 2))
    np.testing.assert_array_equal(np.stack(rows), np.concatenate([expected, expected]))


def test_serving_loads_neither_torch_nor_the_converter(ready_cache: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from custom_router.encoder import MiniLMEncoder;"
        "MiniLMEncoder.load(Path(sys.argv[1])).encode(['hi']);"
        "print([m for m in ('torch', 'onnx', 'onnxruntime.quantization', 'safetensors', 'transformers')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(ready_cache)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
