"""The policy's `intents` section: a least tier for a kind of request, and kinds of your own from examples."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, field_validator

from custom_router.policy.section import Section
from custom_router.tiers import Tier

LEAST_EXAMPLES = 5
"""Examples that an intent of your own needs. With fewer it would be named for whatever resembles one of them."""
MOST_EXAMPLES = 500
"""Examples of all intents together: they are learned anew whenever a policy is loaded."""


class IntentPolicy(Section):
    """One intent: where its requests must go at least, and further examples of it."""

    tier: Tier = Tier.SIMPLE
    """Least tier for a request recognised as this. It never lowers a tier: recognition can be fooled by the prompt."""
    examples: tuple[str, ...] = Field(default=())
    """Prompts of this kind, as people write them. Required, at least five, for a name that is not shipped."""

    @field_validator("examples")
    @classmethod
    def _not_blank(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        if any(not value.strip() for value in values):
            raise ValueError("an empty example teaches nothing; remove it")
        return values


def checked(intents: dict[str, IntentPolicy]) -> dict[str, IntentPolicy]:
    """The section, if every name is shipped or has its examples. Raises `ValueError`."""
    from custom_router.classify.intents import shipped_examples

    known = shipped_examples()
    for name, intent in intents.items():
        if not name.isascii() or not name.replace("_", "").isalnum() or name != name.lower():
            raise ValueError(f"intent name {name!r}: use lower-case letters, digits and _")
        if name not in known and len(intent.examples) < LEAST_EXAMPLES:
            raise ValueError(
                f"{name!r} is not among the shipped intents ({', '.join(known)}), so it needs at least "
                f"{LEAST_EXAMPLES} examples"
            )
    if sum(len(intent.examples) for intent in intents.values()) > MOST_EXAMPLES:
        raise ValueError(f"more than {MOST_EXAMPLES} examples")
    return intents


def added_examples(intents: Mapping[str, IntentPolicy]) -> dict[str, tuple[str, ...]]:
    """The examples that a policy adds to the shipped ones, by intent."""
    return {name: intent.examples for name, intent in intents.items() if intent.examples}
