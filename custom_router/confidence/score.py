"""One number for what is known of an answer: the model's own confidence and what other models answered. Pure.

The recipe is not trained. Over five recorded cascades, with thresholds chosen on other sources, it ranked answers
better than any gate that was fitted (docs/gate.md, "What was measured"):

    score = (logit(own) - 3) / 4  +  sum over opinions of (2 * agreement - 1) * min(max(logit(opinion) + 1, 0), 5)

A second opinion counts by its own confidence: a sure model that disagrees outweighs a sure answer, an unsure one says
nothing either way. 3 and 4 are the usual middle and spread of a model's own logit; standardising on each source's own
traffic instead ranks no better. The cap of 5 costs nothing where opinions are informative (any from 3 to 8 ranks the
same) and keeps a saturated model from deciding alone where they are not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

CLIP = 1e-7
"""Least distance of a probability from 0 and 1. A larger one ties the answers of a strong, saturated model."""
UNWEIGHTED = 2.0
"""Weight of an opinion that came without a confidence: that of a model which gives itself 0.73."""

WEIGHT_LIMIT = 5.0
"""Most that one opinion can count."""

_MIDDLE = 3.0
_SPREAD = 4.0
_FLOOR = math.log(CLIP)


def clipped_logit(log_probability: float) -> float:
    """Log odds of a natural log probability, the probability clipped to `CLIP`..1 - `CLIP`."""
    bounded = min(max(log_probability, _FLOOR), math.log1p(-CLIP))
    return bounded - math.log(-math.expm1(bounded))


def opinion_weight(confidence: float | None) -> float:
    """What an opinion counts by its log probability of being right, 0 to `WEIGHT_LIMIT`; `UNWEIGHTED` without one."""
    if confidence is None or math.isnan(confidence):
        return UNWEIGHTED
    return min(max(clipped_logit(confidence) + 1.0, 0.0), WEIGHT_LIMIT)


def gate_score(own: float | None, opinions: Sequence[tuple[float, float | None]] = ()) -> float | None:
    """The score of an answer, without unit, higher is better; None where neither signal is there.

    `own` is the model's log probability that its answer is right. Each opinion is (agreement in 0..1, the other
    model's log probability of its own answer being right). What is not a number counts as not given.
    """
    terms = [
        (2.0 * min(max(agreement, 0.0), 1.0) - 1.0) * opinion_weight(confidence)
        for agreement, confidence in opinions
        if not math.isnan(agreement)
    ]
    if own is not None and not math.isnan(own):
        terms.append((clipped_logit(own) - _MIDDLE) / _SPREAD)
    return math.fsum(terms) if terms else None
