"""Two questions as if one had been stored and the other were asked: the cache without its stores."""

from __future__ import annotations

from dataclasses import dataclass

from custom_router.cache.eligible import ineligible_text
from custom_router.cache.equivalence import Equivalence
from custom_router.cache.guards import Guard
from custom_router.cache.key import canonical
from custom_router.cache.language import language_of
from custom_router.classify.base import Vector
from custom_router.encoder import Encoder
from custom_router.policy.cache import CachePolicy
from custom_router.request import ENCODED_CHARS


@dataclass(frozen=True, slots=True)
class Match:
    """Whether the second question would be given the first one's answer. `similarity` and `p_same` are None where the
    two were not compared; `guard` is the reason for a miss."""

    hit: bool
    similarity: float | None = None
    p_same: float | None = None
    guard: str | None = None


class Matcher:
    """Matches plain questions of one tenant under one policy."""

    def __init__(self, encoder: Encoder, policy: CachePolicy) -> None:
        self._encoder = encoder
        self._policy = policy
        self._equivalence = Equivalence.shipped(encoder.version)

    def match(self, stored: str, asked: str) -> Match:
        """Judge one pair. Blocking: it encodes both."""
        for text in (stored, asked):
            if (reason := ineligible_text(text, self._policy)) is not None:
                return Match(False, guard=reason.value)
        if canonical(stored) == canonical(asked):
            return Match(True, 1.0, 1.0)
        language = language_of(asked)
        if language != language_of(stored):
            return Match(False, guard=Guard.LANGUAGE.value)
        if not (self._policy.semantic and self._policy.store_text) or not all(map(_seen_whole, (stored, asked))):
            return Match(False, guard=Guard.SAME_TEXT_ONLY.value)
        similarity = float(self._vector(stored) @ self._vector(asked))
        verdict = self._equivalence.judge(stored, asked, similarity, language, self._policy.max_error)
        guard = verdict.guard.value if verdict.guard is not None else None
        return Match(guard is None, similarity, verdict.p_same, guard)

    def _vector(self, text: str) -> Vector:
        vector: Vector = self._encoder.encode([text.strip()])[0]
        return vector


def _seen_whole(text: str) -> bool:
    return len(text.strip()) <= ENCODED_CHARS
