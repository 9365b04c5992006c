"""Readings of prompts seen a moment ago: a repeated prompt costs no inference."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from cachetools import TTLCache

from custom_router import metrics
from custom_router.decision import Reading
from custom_router.policy.classifier import ScoreCachePolicy
from custom_router.request import RequestView


class ScoreCache:
    """Readings by everything they depend on, for one policy and one set of models. Belongs to one event loop."""

    def __init__(self, settings: ScoreCachePolicy) -> None:
        self._kept: TTLCache[bytes, Reading] = TTLCache(settings.capacity, settings.ttl_minutes * 60)

    def get(self, key: bytes) -> Reading | None:
        """The reading of the same prompt, if it is remembered."""
        found = self._kept.get(key)
        metrics.SCORE_CACHE.labels("miss" if found is None else "hit").inc()
        return found

    def put(self, key: bytes, reading: Reading) -> None:
        """Remember a whole reading; one that lacks an answer is worth another try."""
        if self._kept.maxsize and reading.failure is None and (reading.opinion is None or reading.opinion.heard):
            self._kept[key] = reading

    def __len__(self) -> int:
        return len(self._kept)


def reading_key(view: RequestView, asked: Mapping[str, float], tenant: str) -> bytes:
    """SHA-256 of what a reading depends on: the view, and the domains `asked` of the model.

    The tenant counts too: were readings shared, the time a decision takes would tell one tenant what others ask.
    """
    shape = (view.turns, view.tools, bool(view.system), view.input_tokens, sorted(view.signals), sorted(asked.items()))
    digest = hashlib.sha256()
    for part in (tenant, repr(shape), view.bounded, view.text):
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    return digest.digest()
