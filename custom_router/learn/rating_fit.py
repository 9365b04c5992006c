"""Fits what the vLLM classifier's rating adds to the embedding's p_ok, from decision records with an outcome."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from custom_router.classify.opinion import log_odds
from custom_router.learn.head_calibration import newton
from custom_router.learn.labelled import said_of
from custom_router.learn.measures import Estimate, bootstrap
from custom_router.policy.classifier import MediumCurve, RatingCalibration, TierCurve
from custom_router.tiers import Tier

Floats = npt.NDArray[np.float64]

LEAST_ROWS = 150
"""Rated answers with an outcome that a fit needs, for each tier that has any."""
_WEIGHTS = tuple(step / 10 for step in range(11))
_LATEST = 0.3
"""Share of the rows, the latest, that the fit is judged on and never sees."""
_FOLDS = 5


@dataclass(frozen=True, slots=True)
class Rated:
    """One answer of a cheap tier: the embedding's and the rating's log-odds for it, and whether it was good, 0 to 1."""

    time: str
    tier: Tier
    own: float
    rating: float
    good: float


@dataclass(frozen=True, slots=True)
class RatingFit:
    """A weight, 0 where the rating adds nothing, and the curves. `gain` is the log-loss (nats an answer) that the
    rating saves on the latest rows, unseen by the fit, over the embedding calibrated anew on the same rows."""

    weight: float
    calibration: RatingCalibration
    rows: Mapping[Tier, int]
    judged_on: int
    gain: Estimate

    @property
    def worth_it(self) -> bool:
        """Whether the gain is beyond noise."""
        return self.weight > 0.0 and self.gain.low > 0.0


def read_rated(line: bytes, feedback: Mapping[str, float] = MappingProxyType({})) -> Rated | None:
    """A decision record in which both classifiers spoke and a judge or the user said how the cheap answer was, in the
    record or in the `feedback` (0 to 1, by request id).

    The gate's confidence is no outcome here: it is a model's opinion too. None for any other line.
    """
    try:
        record = json.loads(line)
        scores, gate = record["scores"], record["gate"]
        tier = Tier(record["tier"])
        own, rating = scores["own"][tier.value], scores["vllm"]["log_odds"][tier.value]
        good = said_of(record, feedback)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    stored = (record.get("cache") or {}).get("status") == "hit"
    if good is None or stored or gate.get("escalated_to") or tier is Tier.FRONTIER:
        return None
    return Rated(str(record.get("time")), tier, log_odds(float(own)), float(rating), good)


def fit_rating(rows: Iterable[Rated]) -> RatingFit:
    """Choose the weight and the curves on the earlier rows, and judge them on the latest. Raises `ValueError` for too
    few rows."""
    ordered = sorted(rows, key=lambda row: row.time)
    counts = {tier: sum(row.tier is tier for row in ordered) for tier in (Tier.SIMPLE, Tier.MEDIUM)}
    if not any(counts.values()) or any(0 < count < LEAST_ROWS for count in counts.values()):
        raise ValueError(
            f"{counts[Tier.SIMPLE]} rated simple and {counts[Tier.MEDIUM]} medium answers with an outcome; "
            f"{LEAST_ROWS} are the least for each tier that has any"
        )
    cut = len(ordered) - max(1, round(_LATEST * len(ordered)))
    seen, latest = ordered[:cut], ordered[cut:]
    weight = _best_weight(seen)
    curves = _curves(seen, weight)
    # Without this control a badly calibrated embedding would be put right and the rating take the credit.
    alone = _best_weight(seen, heard=False)
    saved = _losses(latest, alone, _curves(seen, alone, heard=False)) - _losses(latest, weight, curves)
    gain = bootstrap(lambda at: float(saved[at].mean()), len(latest))
    return RatingFit(weight, _calibration(curves), counts, len(latest), gain)


def _best_weight(rows: Sequence[Rated], *, heard: bool = True) -> float:
    """The weight with the least log-loss on folds of neighbouring rows that its curves have not seen."""
    fold = np.arange(len(rows)) * _FOLDS // len(rows)
    loss: dict[float, float] = {
        weight: sum(
            float(
                _losses(
                    [row for row, at in zip(rows, fold, strict=True) if at == k],
                    weight,
                    _curves([row for row, at in zip(rows, fold, strict=True) if at != k], weight, heard=heard),
                ).sum()
            )
            for k in range(_FOLDS)
        )
        for weight in _WEIGHTS
    }
    return min(_WEIGHTS, key=lambda weight: (loss[weight], weight))


def _curves(rows: Sequence[Rated], weight: float, *, heard: bool = True) -> dict[Tier, tuple[float, float]]:
    """Intercept and slope of each tier's rating beside that weight; slope 0 where it is not `heard`."""
    curves: dict[Tier, tuple[float, float]] = {}
    for tier in (Tier.SIMPLE, Tier.MEDIUM):
        own, rating, good = _columns([row for row in rows if row.tier is tier])
        if not weight or not len(good):
            continue
        offset, ones = (1.0 - weight) * own, np.ones(len(good))
        slope = -1.0
        if heard:
            intercept, slope = newton(np.column_stack([ones, rating]), good, ones, offset)
        if slope < 0.0:  # a rating that says the opposite of what it means is not to be trusted to go on doing so
            (intercept,), slope = newton(ones[:, None], good, ones, offset), 0.0
        curves[tier] = float(intercept) / weight, float(slope) / weight
    return curves


def _losses(rows: Sequence[Rated], weight: float, curves: Mapping[Tier, tuple[float, float]]) -> Floats:
    """Log-loss of each row (n,) under the formula that serves."""
    found = np.empty(len(rows))
    for at, row in enumerate(rows):
        intercept, slope = curves.get(row.tier, (0.0, 0.0))
        w = weight if row.tier in curves else 0.0
        odds = (1.0 - w) * row.own + w * (intercept + slope * row.rating)
        found[at] = np.logaddexp(0.0, odds) - row.good * odds
    return found


def _columns(rows: Sequence[Rated]) -> tuple[Floats, Floats, Floats]:
    table = np.array([(row.own, row.rating, row.good) for row in rows]).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]


def _calibration(curves: Mapping[Tier, tuple[float, float]]) -> RatingCalibration:
    """Curves for the policy; a tier without rows takes the other's, whose rating is the same."""
    known = dict(curves)
    for tier, other in ((Tier.SIMPLE, Tier.MEDIUM), (Tier.MEDIUM, Tier.SIMPLE)):
        if tier not in known and other in known:
            known[tier] = known[other]
    if not known:
        return RatingCalibration()
    (a, b), (c, d) = known[Tier.SIMPLE], known[Tier.MEDIUM]
    return RatingCalibration(
        fitted=True,
        simple=TierCurve(intercept=round(a, 4), slope=round(b, 4)),
        medium=MediumCurve(intercept=round(c, 4), slope=round(d, 4)),
    )
