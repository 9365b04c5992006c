"""Calibration: from a gate score to the probability that the answer is good, and the artifact that holds it. Pure."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from custom_router.confidence.base import Failure
from custom_router.confidence.gate import GateThresholds, Verdict, gate

FORMAT: Literal[1] = 1
"""Version of the artifact's fields; a file of another one is refused."""

_KNEE = 8.0
"""Log odds beyond which the calibrated odds grow by their logarithm: 0.99966, and so never 0, 1 or a tie."""

Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class GateRefused(ValueError):
    """A calibration artifact that cannot be used. The message says what is wrong, where, and the mend."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Calibrator(_Frozen):
    """Beta calibration (Kull et al. 2017) of the score: strictly rising, smooth, with its own slope on either side.

    log odds = intercept - low * log(1 + exp(-score)) + high * log(1 + exp(score))
    """

    intercept: Finite
    low: Positive
    """Slope for scores far below 0."""
    high: Positive
    """Slope for scores far above 0."""

    def __call__(self, score: float) -> float:
        """Probability in (0, 1) that the answer is good. A higher score always gives a higher one."""
        odds = self.intercept - self.low * _softplus(-score) + self.high * _softplus(score)
        bounded = odds if abs(odds) <= _KNEE else math.copysign(_KNEE + math.log1p(abs(odds) - _KNEE), odds)
        if bounded >= 0:
            return 1.0 / (1.0 + math.exp(-bounded))
        return math.exp(bounded) / (1.0 + math.exp(bounded))


def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


class ReliabilityBin(_Frozen):
    """Answers of about the same predicted probability: mean prediction, share that were good, their number."""

    predicted: float
    observed: float
    rows: int


class Evidence(_Frozen):
    """What the labelled rows of one calibrator said. Errors are expected calibration errors, out of fold."""

    rows: int
    good: float
    """Sum of the labels (0..1)."""
    auroc: float | None
    """Chance that a good answer scores above a bad one; None where all answers were of one kind."""
    auroc_low: float | None
    auroc_high: float | None
    """Its 95 % interval (Hanley and McNeil 1982)."""
    coherence: float | None = None
    """AUROC of the model's own confidence for the opinion's agreement: about .5 where one of them says nothing."""
    error_before: float | None
    """Of the model's confidence as given; None where it gave none."""
    error_after: float
    error_chance: float
    """What a perfect calibrator would show with so few rows."""
    reliability: tuple[ReliabilityBin, ...]


class Entry(_Frozen):
    """One calibrator and where it holds. None is any segment, any model."""

    signals: str
    """Names joined by "+", such as `answer_logprob+opinion`; `*` in a fallback is any source of own confidence."""
    model: str | None = None
    segment: str | None = None
    calibrator: Calibrator
    informative: bool = True
    """False where the signals could not tell good answers from bad: the calibrator is then the base rate, its slope
    kept only so that no two answers tie."""
    evidence: Evidence | None = None
    note: str = ""


class DataSource(_Frozen):
    """Where labelled rows came from."""

    name: str
    rows: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Confidence:
    """The calibrated probability that an answer is good, which calibrator gave it, and whether that one can tell good
    answers from bad at all."""

    value: float
    source: str
    informative: bool = True


class GateArtifact(_Frozen):
    """Calibrators fitted on labelled answers, and the fallbacks for what they have not seen."""

    format: Literal[1] = FORMAT
    version: str
    data: tuple[DataSource, ...] = ()
    entries: tuple[Entry, ...] = ()
    """By segment and model, by model, and pooled (neither): the last errs downwards."""
    fallbacks: tuple[Entry, ...] = Field(min_length=1)
    """For signal sets that were never fitted, by signals only."""

    _by_key: dict[tuple[str | None, str | None, str], Entry] = PrivateAttr()
    _fallbacks: dict[str, Entry] = PrivateAttr()

    def model_post_init(self, _: object) -> None:
        """Index the entries."""
        self._by_key = {(entry.segment, entry.model, entry.signals): entry for entry in self.entries}
        self._fallbacks = {entry.signals: entry for entry in self.fallbacks}

    @classmethod
    def load(cls, path: Path | None = None) -> GateArtifact:
        """Read an artifact, the shipped one without a path. Raises `GateRefused`."""
        file = path or Path(str(resources.files("custom_router") / "artifacts" / "gate.json"))
        mend = "write it anew with: tier-router fit-gate --data FILE --out ARTIFACT"
        try:
            fields = json.loads(file.read_bytes())
        except OSError as error:
            raise GateRefused(f"{file}: {error.strerror or error}; name a gate artifact, or {mend}") from error
        except (ValueError, RecursionError) as error:
            raise GateRefused(f"{file}: is not JSON ({error}); {mend}") from error
        found = fields.get("format") if isinstance(fields, dict) else None
        if found != FORMAT:
            raise GateRefused(f"{file}: is no gate artifact of format {FORMAT} (format {found!r}); {mend}")
        try:
            artifact = cls.model_validate(fields)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise GateRefused(f"{file}: {where}: {first['msg']}; {mend}") from error
        missing = {"*", "*+opinion", "opinion"} - set(artifact._fallbacks)
        if missing:
            raise GateRefused(f"{file}: fallbacks: none for {', '.join(sorted(missing))}; {mend}")
        return artifact

    def save(self, path: Path) -> None:
        """Write the artifact as JSON. Raises OSError."""
        path.write_text(self.model_dump_json(indent=1, exclude_defaults=False) + "\n", encoding="utf-8")

    def confidence(self, model: str, signals: str, score: float, segment: str | None = None) -> Confidence:
        """The probability that `model`'s answer is good, by the closest calibrator there is.

        In this order: that segment, model and signal set; model and signal set; the signal set pooled over models;
        the fallback of the signal set.
        """
        entry = self._entry(model, signals, segment)
        return Confidence(entry.calibrator(score), _source(entry), entry.informative)

    def uninformative(self) -> tuple[Entry, ...]:
        """The segments and models whose signals say nothing about their answers."""
        return tuple(entry for entry in self.entries if not entry.informative)

    def _entry(self, model: str, signals: str, segment: str | None) -> Entry:
        for key in ((segment, model, signals), (None, model, signals), (None, None, signals)):
            if (found := self._by_key.get(key)) is not None:
                return found
        return self.fallback(signals)

    def fallback(self, signals: str) -> Entry:
        """The calibrator for a signal set of which no answer was ever labelled."""
        if (found := self._fallbacks.get(signals)) is not None:
            return found
        return self._fallbacks["*+opinion" if signals.endswith("+opinion") else "*"]


def judge(confidence: Confidence | None, failures: tuple[Failure, ...], thresholds: GateThresholds) -> Verdict:
    """`gate()`, and up where the signals are known to say nothing and the answers there are not good enough as such."""
    verdict = gate(None if confidence is None else confidence.value, failures, thresholds)
    if verdict is Verdict.REVIEW and confidence is not None and not confidence.informative:
        return Verdict.ESCALATE
    return verdict


def _source(entry: Entry) -> str:
    if entry.model is None:
        return f"{'pooled' if entry.evidence else 'prior'}:{entry.signals}"
    return "/".join(part for part in (entry.segment, entry.model, entry.signals) if part)
