"""A provider's prompt cache as OpenAI describes its own: long prompts that begin alike, in steps of 128 tokens."""

from __future__ import annotations

from hashlib import blake2b

from cachetools import LRUCache

STEP_TOKENS = 128
LEAST_TOKENS = 1_024
_STEP_CHARS = 4 * STEP_TOKENS
_KEPT = 20_000


def cacheable(tokens: int) -> int:
    """How many of a prompt's tokens a cache takes in: whole steps, and nothing of a short prompt."""
    whole = tokens // STEP_TOKENS * STEP_TOKENS
    return whole if whole >= LEAST_TOKENS else 0


class PromptCache:
    """Remembers beginnings of prompts, by model."""

    def __init__(self) -> None:
        self._seen: LRUCache[bytes, None] = LRUCache(_KEPT)

    def read(self, model: str, text: str) -> int:
        """Tokens at the beginning of `text` that the model has seen before; it has seen the whole of it from now on."""
        digest, known, unbroken = blake2b(model.encode(), digest_size=16), 0, True
        for end in range(_STEP_CHARS, len(text) + 1, _STEP_CHARS):
            digest.update(text[end - _STEP_CHARS : end].encode("utf-8", "surrogatepass"))
            mark = digest.digest()
            unbroken = unbroken and mark in self._seen
            known = end if unbroken else known
            self._seen[mark] = None
        return cacheable(known // 4)
