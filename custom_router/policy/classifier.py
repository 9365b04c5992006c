"""The policy's `classifier` section: who estimates how likely a cheap tier is good enough."""

from __future__ import annotations

from typing import Literal

from custom_router.policy.section import Probability, Section
from custom_router.tiers import Tier


class OutOfDistribution(Section):
    """What to do with a prompt unlike anything the classifier was trained on."""

    limit: Probability = 0.99
    """Highest tolerated out-of-distribution score: the share of training prompts that are more typical."""
    tier: Tier = Tier.MEDIUM
    """Least tier for such a prompt."""


class ClassifierPolicy(Section):
    """Which classifier estimates p_ok for each tier."""

    kind: Literal["embedding", "constant", "random"] = "embedding"
    """`embedding`: the trained head on MiniLM vectors. `constant` and `random` are controls for evaluations."""
    constant: Probability = 0.5
    """p_ok that the `constant` classifier answers for every cheap tier."""
    on_failure: Tier = Tier.FRONTIER
    """Tier for a request that could not be classified (encoder late, busy, missing or broken)."""
    out_of_distribution: OutOfDistribution = OutOfDistribution()
