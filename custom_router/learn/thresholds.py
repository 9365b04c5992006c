"""What thresholds do to traffic whose outcomes are known: shares, quality, cost and escalations. RouteLLM's idea of
calibrating on one's own history (arXiv 2406.18665), for routing alone, the gate alone and both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custom_router.learn.measures import Estimate, Rows, bootstrap
from custom_router.learn.tier_mix import choose

Floats = npt.NDArray[np.float64]

_STEPS = 21
_DRAWS = 300
_NEVER = 1.0
GATES = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)
"""Values of gate.escalate_below in the table of the gate alone."""


@dataclass(frozen=True)
class Traffic:
    """`p_ok` (n, 2) of simple and medium, `score` and `cost` (n, 3) of each tier's answer, and the gate's `confidence`
    (n, 2) in the cheap ones, NaN unknown. `climbs`: an escalation goes to the next tier, not straight to the top.
    `floor` (n,) is the rank of the lowest tier that a request may begin at; None: thresholds alone say where."""

    p_ok: Floats
    score: Floats
    cost: Floats
    confidence: Floats
    climbs: bool = False
    floor: npt.NDArray[np.intp] | None = None

    def __len__(self) -> int:
        return len(self.p_ok)


@dataclass(frozen=True)
class Setting:
    """Thresholds of simple and medium, and the confidence below which the gate escalates (None: no gate)."""

    simple: float
    medium: float
    gate: float | None = None


@dataclass(frozen=True)
class Outcome:
    """What a setting does. `shares` are of the tiers that answered in the end; `quality` and `cost` are against sending
    everything to the frontier (1.0); `escalated` is the share of all requests whose answer was replaced."""

    setting: Setting
    shares: tuple[float, float, float]
    quality: Estimate
    cost: Estimate
    escalated: Estimate


@dataclass(frozen=True)
class _Played:
    final: npt.NDArray[np.intp]
    quality: Floats
    cost: Floats
    escalated: Floats


def play(traffic: Traffic, setting: Setting) -> _Played:
    """Each request's tier in the end, its answer's score, what all its answers cost, and whether one was replaced."""
    rows = np.arange(len(traffic))
    tier = choose(traffic.p_ok, setting.simple, setting.medium)
    if traffic.floor is not None:
        tier = np.maximum(tier, traffic.floor)
    cost = traffic.cost[rows, tier]
    escalated = np.zeros(len(traffic), bool)
    below = -1.0 if setting.gate is None else setting.gate
    for level in (0, 1):
        up = (tier == level) & (traffic.confidence[:, level] < below)
        tier = np.where(up, level + 1 if traffic.climbs else 2, tier)
        cost = cost + np.where(up, traffic.cost[rows, tier], 0.0)
        escalated |= up
    return _Played(tier, traffic.score[rows, tier], cost, escalated.astype(np.float64))


def outcome(traffic: Traffic, setting: Setting) -> Outcome:
    """`play` in figures, with 95 % bootstrap intervals over requests."""
    played = play(traffic, setting)
    best, dear = traffic.score[:, 2], traffic.cost[:, 2]

    def ratio(part: Floats, whole: Floats) -> Estimate:
        def statistic(rows: Rows) -> float:
            return float(part[rows].sum() / whole[rows].sum())

        return bootstrap(statistic, len(part), draws=_DRAWS)

    simple, medium, frontier = (float((played.final == level).mean()) for level in range(3))
    return Outcome(
        setting,
        (simple, medium, frontier),
        ratio(played.quality, best),
        ratio(played.cost, dear),
        ratio(played.escalated, np.ones(len(traffic))),
    )


def efficient(traffic: Traffic, gate: float | None = None) -> list[Outcome]:
    """The threshold pairs that no other beats in both quality and cost, cheapest first."""
    points = []
    for setting in _grid(traffic, gate):
        played = play(traffic, setting)
        points.append((float(played.cost.sum()), -float(played.quality.sum()), setting))
    points.sort(key=lambda point: point[:2])
    kept: list[Setting] = []
    best = np.inf
    for _, worse, setting in points:
        if worse < best:
            best = worse
            kept.append(setting)
    return [outcome(traffic, setting) for setting in kept]


def gate_alone(traffic: Traffic) -> list[Outcome]:
    """Everything begins at the simple tier, and the gate decides what stays there."""
    return [outcome(traffic, Setting(0.0, 0.0, gate)) for gate in GATES]


def _grid(traffic: Traffic, gate: float | None) -> Iterator[Setting]:
    """Thresholds at every twentieth of the scores, and one that nothing reaches. Rounded down to what is written."""
    levels = [
        sorted({float(np.floor(p * 1e4) / 1e4) for p in np.quantile(column, np.linspace(0, 1, _STEPS))} | {_NEVER})
        for column in traffic.p_ok.T
    ]
    yield from (Setting(simple, medium, gate) for simple in levels[0] for medium in levels[1])


def pick(
    found: Sequence[Outcome],
    *,
    strong_share: float | None = None,
    quality: float | None = None,
    max_cost: float | None = None,
) -> Outcome | None:
    """The best setting that keeps every limit given; None where none does.

    The best quality with at most `strong_share` answered by the frontier and at most `max_cost`; with `quality`, the
    cheapest whose interval lies above it: a plug-in estimate would miss it about every second time.
    """
    kept = [
        one
        for one in found
        if (strong_share is None or one.shares[2] <= strong_share)
        and (max_cost is None or one.cost.value <= max_cost)
        and (quality is None or one.quality.low >= quality)
    ]
    if not kept:
        return None
    if quality is not None:
        return min(kept, key=lambda one: one.cost.value)
    return max(kept, key=lambda one: one.quality.value)
