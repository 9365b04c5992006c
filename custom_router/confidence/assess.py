"""All signals about one answer, in one calibrated confidence. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from custom_router.confidence.agreement import agreement
from custom_router.confidence.base import Answer, Expectations, Failure
from custom_router.confidence.calibrate import Confidence, GateArtifact
from custom_router.confidence.logprobs import own_reading
from custom_router.confidence.score import gate_score
from custom_router.confidence.text import failures
from custom_router.request import RequestView

Similarity = Callable[[str, str], float]
"""Cosine between the vectors of two texts."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """What is thought of an answer: the calibrated probability that it is good, None where no signal was there; plain
    `failures`; and the `signals` that were seen (for the record: short names to numbers), with the name of their set,
    `source`."""

    calibrated: Confidence | None = None
    failures: tuple[Failure, ...] = ()
    signals: dict[str, float] = field(default_factory=dict)
    source: str | None = None

    @property
    def confidence(self) -> float | None:
        """0..1, or None without a signal."""
        return None if self.calibrated is None else self.calibrated.value


def assess(
    view: RequestView,
    answer: Answer,
    expected: Expectations,
    artifact: GateArtifact,
    *,
    segment: str | None = None,
    similarity: Similarity | None = None,
) -> Assessment:
    """Read every signal that `answer` holds. `similarity` sharpens the comparison with other models' answers."""
    faults = failures(view, answer, expected)
    reading = own_reading(answer)
    own = None if reading is None else reading[0]
    agreements = [
        (agreement(view.text, answer.text, opinion.answer, similarity), opinion.confidence)
        for opinion in answer.opinions
    ]
    signals: dict[str, float] = {}
    if own is not None:
        signals["own_logprob"] = round(own, 6)
    for place, (agreed, _) in enumerate(agreements, start=1):
        signals[f"agreement_{place}"] = round(agreed, 4)
    score = gate_score(own, agreements)
    if score is None:
        return Assessment(None, faults, signals)
    signals["score"] = round(score, 6)
    source = signal_set(reading, agreements)
    return Assessment(artifact.confidence(answer.model, source, score, segment), faults, signals, source)


def signal_set(reading: tuple[float, str] | None, opinions: Sequence[object]) -> str:
    """The name under which a calibration is kept: what the model's own confidence was read from, and whether another
    model's answer took part."""
    return "+".join(part for part in ("" if reading is None else reading[1], "opinion" if opinions else "") if part)
