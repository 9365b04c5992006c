"""Embedding and vLLM together: when the second is asked, and what the two say. Pure."""

from __future__ import annotations

from dataclasses import replace

from custom_router.classify.base import Scores
from custom_router.classify.opinion import Rating, log_odds, probability
from custom_router.policy.classifier import ClassifierPolicy
from custom_router.policy.schema import PolicyDocument
from custom_router.tiers import Tier

_CHEAP = (Tier.SIMPLE, Tier.MEDIUM)


def worth_asking(scores: Scores, document: PolicyDocument) -> bool:
    """Whether the vLLM model is to be asked about a request with these scores of the embedding."""
    classifier = document.classifier
    unfamiliar = classifier.out_of_distribution
    if not classifier.asks_vllm or (scores.ood > unfamiliar.limit and unfamiliar.tier is Tier.FRONTIER):
        return False
    return classifier.kind == "vllm" or bool(_uncertain(scores, document))


def _uncertain(scores: Scores, document: PolicyDocument) -> set[Tier]:
    """The cheap tiers within the band, leaving out those that an easier tier, surely good enough, makes moot."""
    found = set()
    for tier in _CHEAP:
        threshold, p = document.tiers[tier].threshold, scores.p_ok.get(tier)
        if threshold is None or p is None:
            continue
        if abs(p - threshold) <= document.classifier.hybrid.band:
            found.add(tier)
        elif p > threshold:
            break
    return found


def combined(scores: Scores, rating: Rating, document: PolicyDocument, source: str) -> Scores:
    """Scores of both: log-odds weighed against each other. `source` names the vLLM model.

    Until its calibration is fitted, a rating moves only a tier whose p_ok is in the band, and never out of it.
    """
    classifier = document.classifier
    uncertain = _uncertain(scores, document)
    p_ok = dict(scores.p_ok)
    for tier in _CHEAP:
        fitted = classifier.vllm.calibration.fitted
        if tier not in p_ok or (not fitted and tier not in uncertain):
            continue
        p = _mixed(p_ok[tier], rating.log_odds[tier], tier, classifier)
        if not fitted:
            threshold, band = document.tiers[tier].threshold or 0.0, classifier.hybrid.band
            p = min(max(p, threshold - band, 0.0), threshold + band, 1.0)
        p_ok[tier] = p
    p_ok[Tier.MEDIUM] = max(p_ok.get(Tier.MEDIUM, 0.0), p_ok.get(Tier.SIMPLE, 0.0))
    return replace(scores, p_ok=p_ok, source=f"{scores.source}+{source}", intent=rating.intent or scores.intent)


def _mixed(p: float, rating: float, tier: Tier, classifier: ClassifierPolicy) -> float:
    calibration = classifier.vllm.calibration
    curve = calibration.simple if tier is Tier.SIMPLE else calibration.medium
    # A fitted `vllm` speaks for itself; before that it is a hybrid that is asked every time.
    weight = 1.0 if classifier.kind == "vllm" and calibration.fitted else classifier.hybrid.vllm_weight
    return probability((1.0 - weight) * log_odds(p) + weight * (curve.intercept + curve.slope * rating))
