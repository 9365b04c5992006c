"""Controls that every evaluation prints beside the real classifier: a router must beat them to be worth running."""

from __future__ import annotations

import hashlib

from custom_router.classify.base import Scores, Vector
from custom_router.request import RequestView
from custom_router.tiers import Tier


class ConstantClassifier:
    """The same p_ok for every request: with the policy's thresholds, all-simple, all-medium or all-frontier."""

    needs_vector = False

    def __init__(self, p_ok: float) -> None:
        self.version = f"constant/{p_ok:g}"
        self._scores = Scores({Tier.SIMPLE: p_ok, Tier.MEDIUM: p_ok, Tier.FRONTIER: 1.0}, 0.0, self.version)

    def score(self, view: RequestView, vector: Vector | None) -> Scores:
        """Ignore the request."""
        return self._scores


class RandomClassifier:
    """A uniform p_ok drawn from a hash of the prompt: random across prompts, repeatable for one."""

    needs_vector = False
    version = "random/1"

    def score(self, view: RequestView, vector: Vector | None) -> Scores:
        """Hash the text; medium is drawn at least as high as simple."""
        digest = hashlib.sha256(view.text.encode("utf-8", "replace")).digest()
        simple = int.from_bytes(digest[:4], "big") / 2**32
        medium = simple + (1.0 - simple) * int.from_bytes(digest[4:8], "big") / 2**32
        return Scores({Tier.SIMPLE: simple, Tier.MEDIUM: medium, Tier.FRONTIER: 1.0}, 0.0, self.version)
