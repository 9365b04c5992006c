"""Routing and the gate together on the five recorded cascades, thresholds chosen on the other four."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import numpy.typing as npt

from custom_router.classify.embedding import EmbeddingClassifier
from custom_router.learn.gate_cascades import Cascade
from custom_router.learn.head_training import prepare
from custom_router.learn.measures import Estimate
from custom_router.learn.outcomes import Encode
from custom_router.learn.thresholds import Setting, Traffic, play

Floats = npt.NDArray[np.float64]

LADDER = ("llama3.1-8b", "llama3.1-70b", "llama3.1-405b")
_P = np.round(np.linspace(0.70, 0.90, 11), 3)
_GATES = tuple(np.round(1.0 - np.logspace(-4, -0.1, 14), 5))
_DRAWS = 300


@dataclass(frozen=True)
class Together:
    """Mean over sources of quality and cost against the frontier, each source played with the others' choice."""

    name: str
    quality: Estimate
    cost: Estimate


def traffic_of(cascade: Cascade, head: EmbeddingClassifier, encode: Encode) -> Traffic:
    """One cascade's prompts with the head's probabilities and the models' own stated confidence."""
    prompts = prepare(cascade.prompts, np.full(len(cascade), cascade.name), encode)
    p_ok = head.head.p_ok(head.head.difficulty(prompts.vectors, prompts.features)).astype(np.float64)
    models = [cascade.models[name] for name in LADDER]
    confidence = np.exp(np.column_stack([one.own for one in models[:2]]))
    score, cost = (np.column_stack([getattr(one, of) for one in models]) for of in ("good", "cost"))
    return Traffic(p_ok, score, cost, confidence, climbs=True)


def together(cascades: Sequence[Traffic], most_cost: float) -> list[Together]:
    """Routing alone, the gate alone and both, each at the setting of best quality on the other sources that costs at
    most `most_cost` of all-frontier there."""
    pairs = [Setting(float(s), float(m)) for s, m in product((*_P, 1.01), (*_P, 1.01))]
    ways = {
        "routing alone": pairs,
        "gate alone": [Setting(0.0, 0.0, float(g)) for g in _GATES],
        "both": [replace(pair, gate=float(g)) for pair in pairs[::3] for g in _GATES],
    }
    found = []
    for name, settings in ways.items():
        figures = np.array([[_figures(one, setting) for setting in settings] for one in cascades])
        quality, cost = [], []
        for at, one in enumerate(cascades):
            others = np.delete(figures, at, axis=0).mean(axis=0)
            allowed = np.flatnonzero(others[:, 1] <= most_cost)
            best = settings[int(allowed[np.argmax(others[allowed, 0])])]
            played = play(one, best)
            quality.append((played.quality, one.score[:, 2]))
            cost.append((played.cost, one.cost[:, 2]))
        found.append(Together(name, _mean_ratio(quality), _mean_ratio(cost)))
    return found


def _figures(traffic: Traffic, setting: Setting) -> tuple[float, float]:
    played = play(traffic, setting)
    return played.quality.sum() / traffic.score[:, 2].sum(), played.cost.sum() / traffic.cost[:, 2].sum()


def _mean_ratio(parts: Sequence[tuple[Floats, Floats]]) -> Estimate:
    rng = np.random.default_rng(0)

    def once(draw: bool) -> float:
        rows = [rng.integers(0, len(a), len(a)) if draw else np.arange(len(a)) for a, _ in parts]
        return float(np.mean([a[at].sum() / b[at].sum() for (a, b), at in zip(parts, rows, strict=True)]))

    low, high = np.percentile([once(True) for _ in range(_DRAWS)], [2.5, 97.5])
    return Estimate(once(False), float(low), float(high))
