"""A labelled answer as the gate's calibration is fitted on it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scored:
    """One labelled answer seen through one signal set. `own` is the model's log probability, None where none came."""

    segment: str | None
    model: str
    signals: str
    score: float
    own: float | None
    good: float
    agreement: float | None
    """With the first opinion, 0..1."""
