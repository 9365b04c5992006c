"""The `Classifier` seam: a request (and its static vector) to calibrated scores."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from custom_router.request import RequestView
from custom_router.tiers import Tier

Vector = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Scores:
    """What a classifier thinks of one request.

    `p_ok[tier]` is the calibrated probability that this tier's answer is as good as the frontier's (frontier is
    1 by definition). `ood` is the out-of-distribution score in 0..1: the share of training prompts that are more
    typical than this one. `source` names the classifier and its version. `intent` is what kind of work is asked for,
    None where the classifier does not say.
    """

    p_ok: dict[Tier, float] = field(default_factory=dict)
    ood: float = 0.0
    source: str = "none"
    intent: str | None = None

    @property
    def complexity(self) -> float:
        """0 (surely good enough on the simple tier) to 10: `10 * (1 - p_ok[simple])`."""
        return 10.0 * (1.0 - self.p_ok.get(Tier.SIMPLE, 0.0))


class Classifier(Protocol):
    """Estimates `Scores`. `needs_vector` says whether it reads the static vector (`encoder/static.py`).

    That is not the sentence encoder's vector, which is for the domain model.
    """

    version: str
    needs_vector: bool

    def score(self, view: RequestView, vector: Vector | None) -> Scores:
        """Score one request. `vector` is its static vector of shape (384,) when `needs_vector`. Pure and quick."""
        ...
