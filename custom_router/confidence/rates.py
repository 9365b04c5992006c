"""How often each tier's answers have lately been escalated."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from custom_router.tiers import Tier

HALF_LIFE_S = 600.0
LEAST = 30.0
"""Answers below which no rate is given. Their weight fades, so a tier that was left out is tried again in time."""


class EscalationRates:
    """Exponentially fading counts of answers and escalations, a tier each. One per process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held: dict[Tier, tuple[float, float, float]] = {}

    def observe(self, tier: Tier, escalated: bool) -> None:
        """Count one judged answer."""
        answers, escalations, _ = self._faded(tier)
        self._held[tier] = (answers + 1.0, escalations + escalated, self._clock())

    def rate(self, tier: Tier) -> float | None:
        """Share of the tier's recent answers that were escalated; None while too few are known."""
        answers, escalations, _ = self._faded(tier)
        return escalations / answers if answers >= LEAST else None

    def _faded(self, tier: Tier) -> tuple[float, float, float]:
        answers, escalations, at = self._held.get(tier, (0.0, 0.0, self._clock()))
        kept = math.exp2(-(self._clock() - at) / HALF_LIFE_S)
        return answers * kept, escalations * kept, at
