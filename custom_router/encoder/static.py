"""Static token embeddings: the mean of MiniLM's input word embeddings, no transformer. Tens of microseconds a text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from custom_router.encoder import source
from custom_router.encoder.base import EncoderUnavailable, Vectors
from custom_router.encoder.model_cache import MODEL, obtain
from custom_router.encoder.session import DIMENSION, TextTokenizer

VERSION = f"{MODEL}/static"


@dataclass(frozen=True, slots=True)
class StaticText:
    """One text: `tokens` (n,) without the two that frame it, their `embeddings` (n, 384), and their mean, a unit
    `vector` (384,), zero for a text without tokens."""

    tokens: npt.NDArray[np.int32]
    embeddings: Vectors
    vector: Vectors


class StaticEncoder:
    """Weighted mean of word embeddings, 384 dimensions. Same tokenizer and text bound as MiniLM.

    `convert.static_table` says how tokens are weighted. Quick enough for an event loop. Threads may share it.
    """

    dimension = DIMENSION
    version = VERSION

    def __init__(self, table: npt.NDArray[np.float16], tokenizer: TextTokenizer) -> None:
        """Wrap a table (vocabulary, 384); `load` is the usual way in."""
        # The same mapped pages: an index into a plain array is quicker than into a memory map.
        self.table = np.asarray(table)
        self._tokenizer = tokenizer

    @classmethod
    def load(cls, cache_dir: Path | None = None) -> StaticEncoder:
        """Read the table that the encoder's conversion wrote, converting first where needed.

        The table is mapped read-only, so workers share its memory. Raises `EncoderUnavailable`.
        """
        converted = obtain(cache_dir or source.default_cache_root(), "static")
        try:
            table = np.load(converted.model, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise EncoderUnavailable(f"{converted.model} is no table of embeddings: {error}. Delete it.") from error
        return cls(table, TextTokenizer(converted.tokenizer))

    def read(self, text: str) -> StaticText:
        """Tokens and vector of one text; any `str` is accepted."""
        tokens = np.array(self._tokenizer.words(text), np.int32)
        embeddings = self.table[tokens].astype(np.float32)
        total = embeddings.sum(axis=0)
        length = math.sqrt(float(total @ total))
        return StaticText(tokens, embeddings, total / length if length > 0.0 else total)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return float32 vectors of shape (len(texts), 384): of unit length, zero for a text without a token."""
        vectors = np.zeros((len(texts), DIMENSION), np.float32)
        for row, text in enumerate(texts):
            vectors[row] = self.read(text).vector
        return vectors
