"""Reading vLLM's replies. Whatever is not exactly what was asked for raises `UnusableReply`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from custom_router.classify.opinion import log_odds
from custom_router.tiers import Tier

CLASSES = ("simple", "medium", "frontier")
"""What a sequence classifier's outputs stand for, in order: the cheapest tier that is good enough."""


class UnusableReply(RuntimeError):
    """The server answered something else than was asked; the message says what."""


def token_id(reply: Any, label: str) -> int:
    """The id of a label from a `/tokenize` reply. Raises where the label is not exactly one token."""
    tokens = reply.get("tokens") if isinstance(reply, Mapping) else None
    if not isinstance(tokens, list) or len(tokens) != 1 or not isinstance(tokens[0], int):
        raise UnusableReply(f"/tokenize does not give one token for the label {label!r}: {tokens!r}")
    return tokens[0]


def label_probabilities(reply: Any, label_ids: Sequence[int]) -> list[float]:
    """Probability of each label among the labels, in order, from a chat completion's log probabilities."""
    try:
        offered = reply["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        found = {entry["token"]: float(entry["logprob"]) for entry in offered}
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise UnusableReply("the reply holds no log probabilities of a first token") from error
    names = [f"token_id:{label}" for label in label_ids]
    missing = [name for name in names if not math.isfinite(found.get(name, math.nan))]
    if missing:
        raise UnusableReply(
            f"no log probability for {len(missing)} of {len(names)} labels: the server does not know "
            "logprob_token_ids (vLLM 0.32 does)"
        )
    highest = max(found[name] for name in names)
    weights = [math.exp(found[name] - highest) for name in names]
    return [weight / sum(weights) for weight in weights]


def easiness(probabilities: Sequence[float]) -> dict[Tier, float]:
    """Log-odds of being easy, from probabilities of labels that run from easiest to hardest: one for both tiers."""
    last = len(probabilities) - 1
    mean = sum(p * (last - i) / last for i, p in enumerate(probabilities))
    return dict.fromkeys((Tier.SIMPLE, Tier.MEDIUM), log_odds(mean))


def class_log_odds(reply: Any) -> dict[Tier, float]:
    """Log-odds that each cheap tier is enough, from a `/classify` reply over `CLASSES`."""
    try:
        given = [float(p) for p in reply["data"][0]["probs"]]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise UnusableReply("the /classify reply holds no probabilities") from error
    if (
        len(given) != len(CLASSES)
        or not all(0.0 <= p <= 1.0 for p in given)
        or not math.isclose(sum(given), 1.0, abs_tol=0.02)
    ):
        raise UnusableReply(f"/classify must give {len(CLASSES)} probabilities that sum to 1: {given[:8]}")
    return {Tier.SIMPLE: log_odds(given[0]), Tier.MEDIUM: log_odds(given[0] + given[1])}
