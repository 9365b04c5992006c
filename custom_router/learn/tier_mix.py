"""What a pair of thresholds does to traffic: tier shares, quality and cost, beside a shuffle of the same mix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custom_router.learn.measures import Estimate

Floats = npt.NDArray[np.float64]

PRICES = ((0.30, 1.20), (0.75, 4.0), (4.0, 20.0))
"""USD per million input and output tokens of the three tiers, as in the shipped litellm_config.yaml."""
OUTPUT_TOKENS = 300.0
"""Assumed length of every answer: few sources record it, and it must not depend on the tier."""
_CHARS_PER_TOKEN = 4.0

PROFILES: dict[str, tuple[float, float]] = {
    "mixed": (0.80, 0.84),
    "high-volume": (0.78, 0.82),
    "budget": (0.76, 0.80),
}
"""Thresholds (simple, medium) chosen on training sources; policy/profiles.yaml and the shipped policy hold the same."""


@dataclass(frozen=True)
class Mix:
    """Shares of the three tiers, and quality and cost against sending everything to the frontier (1.0).

    `shuffled_quality` is what the same shares give when tiers are dealt without looking at the prompt.
    """

    shares: tuple[float, float, float]
    quality: float
    shuffled_quality: float
    cost: float


def choose(p_ok: Floats, simple: float, medium: float) -> npt.NDArray[np.intp]:
    """Tier number (n,) for p_ok (n, 2): the cheapest that reaches its threshold, else the frontier."""
    return np.where(p_ok[:, 0] >= simple, 0, np.where(p_ok[:, 1] >= medium, 1, 2))


def assumed_costs(chars: Floats) -> Floats:
    """USD of each tier's answer (n, 3) to prompts of `chars` (n,) characters, at `PRICES` and `OUTPUT_TOKENS`."""
    prices = np.array(PRICES) / 1e6
    return np.asarray(np.outer(chars / _CHARS_PER_TOKEN, prices[:, 0]) + OUTPUT_TOKENS * prices[:, 1])


def mix(tier: npt.NDArray[np.intp], score: Floats, chars: Floats, weight: Floats) -> Mix:
    """Outcome of sending row i to `tier[i]`; `score` (n, 3), `chars` (n,) prompt lengths, `weight` (n,) summing to 1.

    The shuffle keeps the weighted shares: a plain permutation of rows would deal a source that counts for more than
    its rows another mix than the one it is compared with.
    """
    rows = np.arange(len(tier))
    cost = assumed_costs(chars) * weight[:, None]
    best = float(weight @ score[:, 2])
    simple, medium, frontier = (float(weight[tier == k].sum()) for k in range(3))
    return Mix(
        shares=(simple, medium, frontier),
        quality=float(weight @ score[rows, tier]) / best,
        shuffled_quality=float(weight @ score @ np.array([simple, medium, frontier])) / best,
        cost=float(cost[rows, tier].sum() / cost[:, 2].sum()),
    )


def over_shuffle(
    p_ok: Floats, score: Floats, group: npt.NDArray[np.str_], weight: Floats, pair: tuple[float, float]
) -> Estimate:
    """Quality above the shuffle at a pair of thresholds, with an interval from redrawing each source's rows."""
    tier = choose(p_ok, *pair)
    sources = [np.flatnonzero(group == name) for name in np.unique(group)]
    rng = np.random.default_rng(0)

    def gain(rows: npt.NDArray[np.intp]) -> float:
        m = mix(tier[rows], score[rows], np.zeros(len(rows)), weight[rows] / weight[rows].sum())
        return m.quality - m.shuffled_quality

    drawn = [gain(np.concatenate([rng.choice(rows, len(rows)) for rows in sources])) for _ in range(200)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Estimate(gain(np.arange(len(tier))), float(low), float(high))
