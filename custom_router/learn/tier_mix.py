"""What a pair of thresholds does to traffic: tier shares, quality and cost, beside a shuffle of the same mix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

PRICES = ((0.30, 1.20), (0.75, 4.0), (4.0, 20.0))
"""USD per million input and output tokens of the three tiers, as in the shipped litellm_config.yaml."""
OUTPUT_TOKENS = 300.0
"""Assumed length of every answer: few sources record it, and it must not depend on the tier."""
_CHARS_PER_TOKEN = 4.0

PROFILES: dict[str, tuple[float, float]] = {
    "high-volume": (0.72, 0.78),
    "mixed": (0.76, 0.82),
    "strict-latency": (0.70, 0.76),
    "budget": (0.60, 0.70),
    "compliance": (1.0, 1.0),
}
"""Proposed thresholds (simple, medium) of each policy profile."""


@dataclass(frozen=True)
class Mix:
    """Shares of the three tiers, and quality and cost against sending everything to the frontier (1.0)."""

    shares: tuple[float, float, float]
    quality: float
    shuffled_quality: float
    cost: float


def choose(p_ok: Floats, simple: float, medium: float) -> npt.NDArray[np.intp]:
    """Tier number (n,) for p_ok (n, 2): the cheapest that reaches its threshold, else the frontier."""
    return np.where(p_ok[:, 0] >= simple, 0, np.where(p_ok[:, 1] >= medium, 1, 2))


def mix(tier: npt.NDArray[np.intp], score: Floats, chars: Floats, weight: Floats, seed: int = 0) -> Mix:
    """Weighted outcome of sending row i to `tier[i]`; `score` (n, 3), `chars` (n,) prompt lengths.

    Shuffled quality is the mean over 20 permutations of the tiers.
    """
    rows = np.arange(len(tier))
    prices = np.array(PRICES)
    cost = (np.outer(chars / _CHARS_PER_TOKEN, prices[:, 0]) + OUTPUT_TOKENS * prices[:, 1]) * weight[:, None]
    best = float(weight @ score[:, 2])
    rng = np.random.default_rng(seed)
    shuffled = [weight @ score[rows, rng.permutation(tier)] for _ in range(20)]
    simple, medium, frontier = (float(weight[tier == k].sum() / weight.sum()) for k in range(3))
    return Mix(
        shares=(simple, medium, frontier),
        quality=float(weight @ score[rows, tier]) / best,
        shuffled_quality=float(np.mean(shuffled)) / best,
        cost=float(cost[rows, tier].sum() / cost[:, 2].sum()),
    )
