"""One text through the tokenizer and ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from custom_router.encoder.base import Vectors

DIMENSION = 384
MAX_TOKENS = 256
# Bounds the tokenizer's work on a huge text. 256 tokens are about 1,200 characters of English; a text only
# reaches this bound first when it is mostly blanks or one unbroken blob.
MAX_CHARACTERS = 8192


class TextTokenizer:
    """MiniLM's tokenizer, bounded: at most 256 tokens of at most 8,192 characters. Threads may share it."""

    def __init__(self, path: Path) -> None:
        # The file itself asks for truncation at 128 and padding to 128; the model is meant for 256, unpadded.
        self._tokenizer = Tokenizer.from_file(str(path))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.no_padding()

    def ids(self, text: str) -> list[int]:
        """Token ids between the two that frame a text; any `str` is accepted."""
        ids: list[int] = self._tokenizer.encode(_clean(text)).ids
        return ids

    def words(self, text: str) -> list[int]:
        """The same without the frame."""
        return self.ids(text)[1:-1]


class MiniLMSession:
    """A converted model ready to run: one thread, no spinning, so it takes no core from the event loop.

    Threads may share it.
    """

    def __init__(self, model: Path, tokenizer: Path) -> None:
        self._tokenizer = TextTokenizer(tokenizer)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])

    def vector(self, text: str) -> Vectors:
        """Return the unit vector of one text, float32 of shape (384,); any `str` is accepted."""
        ids = np.array([self._tokenizer.ids(text)], np.int64)
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        (embedding,) = self._session.run(None, inputs)
        vector: Vectors = embedding[0]
        return vector


def _clean(text: str) -> str:
    """Bound the text and join or replace surrogates, which the tokenizer refuses (it takes UTF-8 only)."""
    bounded = text[:MAX_CHARACTERS]
    try:
        bounded.encode("utf-8")
    except UnicodeEncodeError:
        return bounded.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return bounded
