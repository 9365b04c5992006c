"""What the vLLM model was asked about one request and what came of it, in time or late."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from custom_router.causes import Cause
from custom_router.tiers import Tier

_LEAST = 1e-7


def log_odds(p: float) -> float:
    """Natural log-odds of a probability, finite: 0 and 1 count as 1e-7 from the edge."""
    clipped = min(max(p, _LEAST), 1.0 - _LEAST)
    return math.log(clipped / (1.0 - clipped))


def probability(odds: float) -> float:
    """The probability of log-odds; any finite float."""
    return 1.0 / (1.0 + math.exp(-min(max(odds, -30.0), 30.0)))


@dataclass(frozen=True, slots=True)
class Rating:
    """One answer of the model. `log_odds` that each cheap tier is enough, before calibration; `intent` where asked."""

    log_odds: Mapping[Tier, float]
    intent: str | None = None


@dataclass(slots=True)
class Opinion:
    """One question put to the model. Filled when the answer comes, which may be after the decision.

    `ms` is how long the answer took, `failure` why there was none to decide with. `heard` is whether the answer came
    while the decision waited. `usd` is its share of the server's price.
    """

    rating: Rating | None = None
    ms: float | None = None
    failure: Cause | None = None
    heard: bool = False
    usd: float = 0.0
    task: asyncio.Task[None] | None = field(default=None, repr=False, compare=False)
