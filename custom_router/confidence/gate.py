"""The verdict on one answer, and what escalating it is worth. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from custom_router.confidence.base import Failure


class Verdict(StrEnum):
    """What becomes of an answer. `NONE`: delivered unjudged, since nothing could be measured."""

    TRUST = "trust"
    REVIEW = "review"
    ESCALATE = "escalate"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class GateThresholds:
    """Calibrated probabilities that an answer is good. Below `escalate` a better model answers instead, from `trust`
    the answer is trusted, between the two it is delivered and marked for review. `no_signal` says what to do with an
    answer about which nothing is known."""

    escalate: float = 0.70
    trust: float = 0.85
    no_signal: Literal["deliver", "escalate"] = "deliver"


def gate(confidence: float | None, failures: tuple[Failure, ...], thresholds: GateThresholds) -> Verdict:
    """The verdict for a calibrated `confidence` in 0..1 (None: no signal) and the plain faults seen in the answer.

    A fault escalates whatever the confidence. A confidence that is no number counts as no confidence at all.
    """
    if failures:
        return Verdict.ESCALATE
    if confidence is None:
        return Verdict.ESCALATE if thresholds.no_signal == "escalate" else Verdict.NONE
    if not confidence >= thresholds.escalate:
        return Verdict.ESCALATE
    return Verdict.TRUST if confidence >= thresholds.trust else Verdict.REVIEW


def worth_escalating(confidence: float, cost_usd: float, value_usd: float) -> bool:
    """Whether the better answer that an escalation may bring is worth its price.

    `value_usd` is what a good answer in place of a bad one is worth. The higher tier is taken to be right, which p_ok
    measures against; so this errs towards escalating.
    """
    return (1.0 - confidence) * value_usd >= cost_usd


def straight_up(escalation_rate: float, low_usd: float, high_usd: float) -> bool:
    """Whether trying the lower tier first costs more than going up at once.

    Trying costs `low + rate * high`, going up `high`: so trying loses when the rate exceeds `1 - low / high`.
    """
    return high_usd > 0 and escalation_rate > 1.0 - low_usd / high_usd
