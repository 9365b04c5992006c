"""How often each tier's answers to a tenant have lately been escalated."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial

from cachetools import LRUCache

from custom_router.tiers import Tier

HALF_LIFE_S = 600.0
LEAST = 30.0
"""Answers below which no rate is given. Their weight fades, so a tier that was left out is tried again in time."""
KEPT = 10_000
"""Tenants and tiers that are counted; of more, those longest unseen are forgotten."""


class EscalationRates:
    """Exponentially fading counts of answers and escalations, a tenant and tier each. One per process.

    Tenants are counted apart: what one asks, may spend and sets as its thresholds says nothing about another's answers.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held: LRUCache[tuple[str | None, Tier], tuple[float, float, float]] = LRUCache(KEPT)

    def observe(self, tenant: str | None, tier: Tier, escalated: bool) -> None:
        """Count one answer that a better one was allowed to replace, and whether one was asked to."""
        answers, escalations, _ = self._faded(tenant, tier)
        self._held[tenant, tier] = (answers + 1.0, escalations + escalated, self._clock())

    def rate(self, tenant: str | None, tier: Tier) -> float | None:
        """Share of a tenant's recent answers of this tier that were escalated; None while too few are known."""
        answers, escalations, _ = self._faded(tenant, tier)
        return escalations / answers if answers >= LEAST else None

    def of(self, tenant: str | None) -> Callable[[Tier], float | None]:
        """`rate` of this tenant."""
        return partial(self.rate, tenant)

    def _faded(self, tenant: str | None, tier: Tier) -> tuple[float, float, float]:
        answers, escalations, at = self._held.get((tenant, tier), (0.0, 0.0, self._clock()))
        kept = math.exp2(-(self._clock() - at) / HALF_LIFE_S)
        return answers * kept, escalations * kept, at
