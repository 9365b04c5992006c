"""What a record says about scores, an answer of the vLLM classifier that came after the decision included."""

from __future__ import annotations

from custom_router.classify.opinion import Opinion
from custom_router.decision import Decision
from custom_router.records.record import ScoreFields, VllmFields


def score_fields(decision: Decision) -> ScoreFields:
    """The record's `scores` as far as the decision knows them."""
    reading = decision.reading
    fields = ScoreFields(
        decision.p_ok, round(decision.complexity, 3), decision.source, round(decision.ood, 4), decision.intent
    )
    if reading is not None:
        fields.cached = reading.cached
        if reading.own is not None:
            fields.own = {tier.value: round(p, 6) for tier, p in reading.own.p_ok.items()}
    return fields


def opinion_of(decision: Decision) -> Opinion | None:
    """The opinion asked for this request itself, not one remembered from an earlier one."""
    reading = decision.reading
    return reading.opinion if reading is not None and not reading.cached else None


def vllm_fields(opinion: Opinion) -> VllmFields:
    """An opinion as it stands now."""
    rating = opinion.rating
    return VllmFields(
        {tier.value: round(odds, 4) for tier, odds in rating.log_odds.items()} if rating else {},
        rating.intent if rating else None,
        opinion.ms,
        opinion.heard,
        None if opinion.heard or opinion.failure is None else opinion.failure.value,
    )
