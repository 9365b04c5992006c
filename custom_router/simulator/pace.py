"""How long a simulated model takes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

from custom_router.simulator.config import ModelSpec

TICK_S = 0.01
"""Tokens due within one tick leave together, so fast models do not cost a wake-up a token."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds to the first token, and between tokens."""

    first_s: float
    token_s: float

    def total_s(self, tokens: int) -> float:
        """Seconds until the last of `tokens` is there."""
        return self.first_s + self.token_s * max(tokens - 1, 0)

    def per_tick(self) -> int:
        """Tokens sent at a time; 0 means all of them."""
        return 0 if self.token_s == 0 else max(1, round(TICK_S / self.token_s))


def draw_pace(spec: ModelSpec, scale: float, extra_s: float, rng: Random) -> Pace:
    """Draw one answer's pace: lognormal first token around the median, steady tokens after it."""
    median = spec.latency_ms / 1000 * scale
    first = median * math.exp(spec.sigma * rng.gauss(0.0, 1.0)) if median else 0.0
    per_token = scale / spec.tokens_per_second if spec.tokens_per_second else 0.0
    return Pace(first + extra_s, per_token)
