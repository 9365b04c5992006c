"""Rules about money: every price is known, and a dearer tier is really dearer."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from custom_router.check.finding import CheckFinding, Severity
from custom_router.check.subject import Subject
from custom_router.records.cost import Price
from custom_router.tiers import TIERS

INPUT_SHARE = 0.75
"""Tiers are compared at three input tokens to one output token."""


def known(subject: Subject) -> Iterator[CheckFinding]:
    """Every deployment of a tier has a price, or nobody can say what routing saves."""
    for _, item in subject.in_tiers():
        if item.deployment.price is None:
            yield subject.config.finding(
                Severity.ERROR,
                item.at("litellm_params"),
                f"no price is known for {item.deployment.model}",
                "add `input_cost_per_token` and `output_cost_per_token`, such as 3.0e-7 (YAML reads 3e-7 as text)",
            )


def rising(subject: Subject) -> Iterator[CheckFinding]:
    """No deployment of a tier costs more than the cheapest of the next tier."""
    for tier, following in pairwise(TIERS):
        lower, upper = (
            [(blended(item.deployment.price), item) for item in subject.members(t) if item.deployment.price]
            for t in (tier, following)
        )
        if not lower or not upper:
            continue
        dearest_cost, dearest = max(lower, key=lambda pair: pair[0])
        cheapest_cost, cheapest = min(upper, key=lambda pair: pair[0])
        if dearest_cost > cheapest_cost:
            yield subject.config.finding(
                Severity.ERROR,
                dearest.at("litellm_params"),
                f"{tier.value}: {dearest.deployment.model} costs ${dearest_cost:.3g} a million tokens (3 in, 1 out), "
                f"more than {cheapest.deployment.model} of {following.value} at ${cheapest_cost:.3g}",
                "swap the models, or correct the prices",
            )


def blended(price: Price) -> float:
    """Dollars per million tokens at three input tokens to one output token."""
    return 1e6 * (INPUT_SHARE * price.input + (1 - INPUT_SHARE) * price.output)
