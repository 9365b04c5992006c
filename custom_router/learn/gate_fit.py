"""Fits a gate artifact to labelled answers: by segment and model, by model, and pooled over models."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from custom_router.confidence.calibrate import (
    Calibrator,
    DataSource,
    Entry,
    Evidence,
    GateArtifact,
    ReliabilityBin,
)
from custom_router.learn.gate_calibration import (
    MIN_ROWS,
    apply,
    fit_calibrator,
    fit_entry,
    group_spread,
    out_of_fold,
)
from custom_router.learn.gate_measures import (
    auroc_interval,
    calibration_error,
    chance_error,
    coherence,
    reliability_bins,
)
from custom_router.learn.gate_scored import Scored

Floats = npt.NDArray[np.float64]

VERSION = "gate-1"


def fit_gate(rows: Sequence[Scored], base: GateArtifact, data: Sequence[DataSource] = ()) -> GateArtifact:
    """An artifact of `rows`, with the fallbacks of `base` for signal sets that they do not hold.

    A segment and model, or a model, has its own calibrator from `MIN_ROWS` rows; fewer count in the pooled one only.
    The pooled one is lowered by the spread (standard deviation, log odds) of the segments and models it was fitted
    on: a new one of their kind is then over-rated about one time in six.
    """
    by_signals: dict[str, list[Scored]] = defaultdict(list)
    for row in rows:
        by_signals[row.signals].append(row)
    entries: list[Entry] = []
    for signals, seen in sorted(by_signals.items()):
        if len(seen) < MIN_ROWS:
            continue
        pooled = pooled_entry(signals, seen, base.fallback(signals).calibrator)
        entries.append(pooled)
        for model in sorted({row.model for row in seen}):
            of_model = [row for row in seen if row.model == model]
            segments = sorted({row.segment for row in of_model if row.segment is not None})
            for segment in (None, *segments):
                kept = of_model if segment is None else [row for row in of_model if row.segment == segment]
                if len(kept) >= MIN_ROWS:
                    entries.append(own_entry(kept, pooled.calibrator, segment))
    named = data or [DataSource(name=str(name), rows=n) for name, n in Counter(r.segment for r in rows).items()]
    return GateArtifact(version=VERSION, data=tuple(named), entries=tuple(entries), fallbacks=base.fallbacks)


def columns(rows: Sequence[Scored]) -> tuple[Floats, Floats]:
    """Scores and labels, each (n,)."""
    return np.array([row.score for row in rows]), np.array([row.good for row in rows])


def own_entry(rows: Sequence[Scored], prior: Calibrator, segment: str | None) -> Entry:
    """The calibrator of one model (in one segment, or in all) and one signal set, with what its rows showed."""
    score, good = columns(rows)
    calibrator, informative = fit_entry(score, good, prior)
    after = out_of_fold(score, good, prior)
    return Entry(
        signals=rows[0].signals,
        model=rows[0].model,
        segment=segment,
        calibrator=calibrator,
        informative=informative,
        evidence=evidence(rows, after),
    )


def pooled_entry(signals: str, rows: Sequence[Scored], prior: Calibrator) -> Entry:
    """The calibrator for models that were not labelled: fitted on all, then lowered."""
    score, good = columns(rows)
    fitted = fit_calibrator(score, good, prior)
    names = [(row.segment, row.model) for row in rows]
    number = {name: at for at, name in enumerate(dict.fromkeys(names))}
    margin = group_spread(score, good, np.array([number[name] for name in names]), fitted)
    lowered = fitted.model_copy(update={"intercept": fitted.intercept - margin})
    return Entry(
        signals=signals,
        calibrator=lowered,
        evidence=evidence(rows, apply(lowered, score)),
        note=f"lowered by {margin:.2f} log odds, the spread over segments and models",
    )


def _coherence(rows: Sequence[Scored]) -> float | None:
    both = np.array([(row.own, row.agreement) for row in rows if row.own is not None and row.agreement is not None])
    found = coherence(*both.T) if len(both) else math.nan
    return None if math.isnan(found) else found


def evidence(rows: Sequence[Scored], after: Floats) -> Evidence:
    """What labelled rows and their calibrated probabilities `after` (n,) show."""
    score, good = columns(rows)
    area, low, high = (None if math.isnan(value) else value for value in auroc_interval(score, good))
    given = [(math.exp(min(row.own, 0.0)), row.good) for row in rows if row.own is not None]
    before = calibration_error(*np.array(given).T) if given else None
    bins = [ReliabilityBin(predicted=p, observed=o, rows=n) for p, o, n in reliability_bins(after, good)]
    return Evidence(
        rows=len(rows),
        good=float(good.sum()),
        auroc=area,
        auroc_low=low,
        auroc_high=high,
        coherence=_coherence(rows),
        error_before=before,
        error_after=calibration_error(after, good),
        error_chance=chance_error(after),
        reliability=tuple(bins),
    )
