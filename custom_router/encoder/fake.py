"""An encoder without a model, for tests and for people who write plugins."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import numpy as np

from custom_router.encoder.base import Vectors

_WORD = re.compile(r"\w+")


class FakeEncoder:
    """Hashed bag of words: the same text gives the same vector everywhere, shared words give similarity.

    Cosines lie in [0, 1]. No network, no files, no meaning: synonyms are strangers to it, and two words share
    a slot once in `dimension` pairs (at 384 "reset" and "password" do); ask for more where that matters.
    """

    def __init__(self, dimension: int = 384) -> None:
        if dimension < 1:
            raise ValueError(f"dimension must be at least 1, not {dimension}")
        self.dimension = dimension
        self.version = f"fake/{dimension}"

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return float32 unit vectors (len(texts), dimension); a text without words is the first axis."""
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for word in _WORD.findall(text.lower()):
                row[self._slot(word)] += 1.0
            length = float(np.linalg.norm(row))
            if length == 0.0:
                row[0] = 1.0
            else:
                row /= length
        return vectors

    def _slot(self, word: str) -> int:
        digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.dimension
