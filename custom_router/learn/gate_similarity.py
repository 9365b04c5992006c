"""Cosine of two short texts by the sentence encoder, loaded only when the first pair needs it."""

from __future__ import annotations

from typing import Any

from cachetools import LRUCache

from custom_router.encoder import Encoder, MiniLMEncoder

COMPARED_CHARS = 1_000
"""Beginning of a text that is compared; an answer says what it says there."""
_VECTORS = 20_000


class TextSimilarity:
    """Callable on two texts. Raises `EncoderUnavailable` where there is no encoder on this machine."""

    def __init__(self, encoder: Encoder | None = None) -> None:
        self._encoder = encoder
        self._vectors: LRUCache[str, Any] = LRUCache(_VECTORS)

    def __call__(self, a: str, b: str) -> float:
        """Cosine, -1..1."""
        return float(self._vector(a) @ self._vector(b))

    def _vector(self, text: str) -> Any:
        key = text[:COMPARED_CHARS]
        if (held := self._vectors.get(key)) is None:
            if self._encoder is None:
                self._encoder = MiniLMEncoder.load()
            held = self._vectors[key] = self._encoder.encode([key])[0]
        return held
