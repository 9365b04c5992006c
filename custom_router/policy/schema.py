"""The routing policy as typed, frozen models. Every description here becomes editor help through the JSON Schema."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field, field_validator, model_validator

from custom_router.policy.cache import CachePolicy, CacheScope
from custom_router.policy.classifier import ClassifierPolicy
from custom_router.policy.costs import CostPolicy
from custom_router.policy.gate import GatePolicy
from custom_router.policy.intents import IntentPolicy, checked
from custom_router.policy.section import Probability, Section
from custom_router.signals import Signal
from custom_router.tiers import TIERS, Tier


class Mode(StrEnum):
    """What the router does with its decision."""

    ENFORCE = "enforce"
    SHADOW = "shadow"
    OFF = "off"


class TierPolicy(Section):
    """One tier: the LiteLLM model group that serves it and how sure the classifier must be to use it."""

    model: str = Field(min_length=1)
    """LiteLLM model group (`model_name` in litellm_config.yaml)."""
    threshold: Probability | None = None
    """Least p_ok, the calibrated probability that this tier's answer is as good as the frontier's, that sends a
    request here. Not used for the frontier, which takes what is left."""


class Tiers(Section):
    """The three tiers, cheapest first."""

    simple: TierPolicy
    medium: TierPolicy
    frontier: TierPolicy

    def __getitem__(self, tier: Tier) -> TierPolicy:
        policy: TierPolicy = getattr(self, tier.value)
        return policy

    def of_group(self, group: str) -> Tier | None:
        """The tier whose model group this is."""
        return next((tier for tier in TIERS if self[tier].model == group), None)

    @model_validator(mode="after")
    def _complete(self) -> Tiers:
        for tier in (Tier.SIMPLE, Tier.MEDIUM):
            if self[tier].threshold is None:
                raise ValueError(f"{tier.value}: a threshold between 0 and 1 is required")
        groups = [self[tier].model for tier in TIERS]
        if len(set(groups)) != len(groups):
            raise ValueError(f"each tier needs a model group of its own, not {groups}")
        return self


class Rules(Section):
    """Patterns that name a domain. All are case-insensitive and match whole words, in any script."""

    terms: tuple[str, ...] = ()
    """Words or short phrases; inflections must be listed or written as a pattern."""
    phrases: tuple[str, ...] = ()
    """Longer expressions; runs of white space match any white space."""
    patterns: tuple[str, ...] = ()
    """Regular expressions in RE2's syntax (no look-around, no back-references), which cannot run away."""
    exclusions: tuple[str, ...] = ()
    """Expressions removed from the text before matching, such as "river bank" or "law of thermodynamics"."""

    @field_validator("terms", "phrases", "exclusions")
    @classmethod
    def _not_blank(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            if not value.strip():
                raise ValueError("an empty entry would match every request")
        return values

    @field_validator("patterns")
    @classmethod
    def _compiles(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        from custom_router.domains.patterns import compile_pattern

        for value in values:
            pattern = compile_pattern(value)
            if pattern.search(""):
                raise ValueError(f"{value!r} matches the empty text, so it would match every request")
        return values


class DomainPolicy(Section):
    """Where a domain's traffic must go, and how it is recognised."""

    tier: Tier = Tier.FRONTIER
    """Tier that must answer this domain's requests."""
    gate: Literal["bypass", "on"] = "bypass"
    """`bypass`: the answer is not gated, because the required tier already gave it."""
    cache: CacheScope = CacheScope.OFF
    """Widest cache scope for this domain's answers."""
    threshold: Probability | None = None
    """Least domain-model probability that counts as a match; leave out for a domain with rules only. Set low:
    uncertainty counts as a match."""
    teams: tuple[str, ...] | None = None
    """Team ids or aliases that this domain applies to; leave out for everyone."""
    rules: Rules = Rules()


def plain_names(domains: dict[str, DomainPolicy]) -> dict[str, DomainPolicy]:
    """The domains, if each name can stand in a header. Raises `ValueError`."""
    for name in domains:
        if not name.isascii() or not name.replace("_", "").replace("-", "").isalnum() or name != name.lower():
            raise ValueError(f"domain name {name!r}: use lower-case letters, digits, - and _")
    return domains


class LongContext(Section):
    """A floor for long prompts."""

    tokens: int = Field(default=24_000, gt=0)
    """Estimated input tokens from which the floor applies."""
    tier: Tier = Tier.MEDIUM


class ConversationPolicy(Section):
    """A conversation keeps the tier it has reached."""

    sticky: bool = True
    """Whether a later turn may not drop below the tier that the conversation has reached, as far as that is known."""
    ttl_minutes: float = Field(default=60.0, gt=0)
    """How long a turn is remembered."""
    capacity: int = Field(default=50_000, gt=0)
    """Turns remembered per worker; the longest idle is forgotten first. With `cache.redis` workers tell each other."""


class LatencyBudget(Section):
    """Milliseconds each stage may take before the request goes up a tier without it."""

    rules: float = Field(default=10.0, gt=0)
    """Processor time of the domain rules, all domains together. Running out counts as a match."""
    encoder: float = Field(default=150.0, gt=0)
    """The sentence encoder, its queue included. Too little, and a burst of traffic goes to the frontier."""
    vllm: float = Field(default=25.0, gt=0)
    """The vLLM classifier. An answer that is late is used for comparison only."""


class NearBudget(Section):
    """What happens to a caller one of whose budgets is nearly used up."""

    max_tier: Tier | None = None
    """Highest tier that it then gets; leave out to change nothing until LiteLLM refuses it."""
    remaining: Probability = 0.1
    """Share of a budget that is left, from which down it counts as nearly used up."""


class CallerLimits(Section):
    """What callers may ask for. Keys and teams narrow this through `metadata.router`; nobody widens it."""

    max_tier: Tier = Tier.FRONTIER
    min_tier: Tier = Tier.SIMPLE
    request_headers: tuple[Literal["tier", "cache", "domain"], ...] = ("tier", "cache", "domain")
    """Which of the request headers x-router-tier, x-router-cache and x-router-domain are honoured."""
    domain_over_cap: bool = True
    """Whether a domain's tier wins over a caller's max_tier. Either way the conflict is recorded."""
    near_budget: NearBudget = NearBudget()


class RecordPolicy(Section):
    """Where decision records go."""

    directory: str = "var/records"
    """Folder of the JSON-lines segments, relative to the working directory of the proxy."""
    segment_mb: float = Field(default=64.0, gt=0)
    """Size at which a segment is closed and the next one begun."""
    keep_segments: int = Field(default=32, gt=0)
    """Closed segments kept per worker; older ones are deleted."""
    queue: int = Field(default=10_000, gt=0)
    """Records waiting for the disk; beyond that they are dropped and counted."""
    log_text: Literal["off", "redacted", "full"] = "off"
    """Whether prompt text enters the record. `redacted` masks digits, e-mail addresses and long tokens."""


class PolicyDocument(Section):
    """routing_policy.yaml."""

    version: Literal[1] = 1
    """Version of this file format."""
    mode: Mode = Mode.ENFORCE
    """`enforce`: route. `shadow`: decide and record, but serve `default_tier`. `off`: serve `default_tier`."""
    default_tier: Tier = Tier.FRONTIER
    """Tier served in `shadow` and `off`, and whenever the router itself breaks."""
    entry_models: tuple[str, ...] = Field(default=("auto",), min_length=1)
    """Model names that are routed; every other name passes through untouched."""
    tiers: Tiers
    classifier: ClassifierPolicy = ClassifierPolicy()
    signals: dict[Signal, Tier] = Field(default_factory=dict)
    """Floors for properties that need no model: code, math, tools, attachment, json."""
    intents: dict[str, IntentPolicy] = Field(default_factory=dict)
    """Floors for kinds of request, and kinds of your own from examples. Names are lower-case and appear in records."""
    long_context: LongContext = LongContext()
    gate: GatePolicy = GatePolicy()
    cache: CachePolicy = CachePolicy()
    domains: dict[str, DomainPolicy] = Field(default_factory=dict)
    """Traffic that must go to a tier whatever it costs. Names are lower-case and appear in records and headers."""
    overrides: str | None = Field(default=None, min_length=1)
    """File of further domains, relative to this one, for somebody who may edit nothing else."""
    conversations: ConversationPolicy = ConversationPolicy()
    latency_budget_ms: LatencyBudget = LatencyBudget()
    callers: CallerLimits = CallerLimits()
    records: RecordPolicy = RecordPolicy()
    costs: CostPolicy = CostPolicy()

    @field_validator("domains")
    @classmethod
    def _plain_names(cls, domains: dict[str, DomainPolicy]) -> dict[str, DomainPolicy]:
        return plain_names(domains)

    @field_validator("intents")
    @classmethod
    def _known_intents(cls, intents: dict[str, IntentPolicy]) -> dict[str, IntentPolicy]:
        return checked(intents)

    @model_validator(mode="after")
    def _consistent(self) -> PolicyDocument:
        if self.callers.min_tier.rank > self.callers.max_tier.rank:
            raise ValueError(
                f"callers: min_tier {self.callers.min_tier.value} is above max_tier {self.callers.max_tier.value}"
            )
        unknown = {o.domain for o in self.gate.overrides if o.domain is not None} - set(self.domains)
        if unknown:
            raise ValueError(f"gate.overrides: no domain {sorted(unknown)}; known: {sorted(self.domains)}")
        if stray := set(self.cache.domain_ttl_minutes) - set(self.domains):
            raise ValueError(f"cache.domain_ttl_minutes: no domain {sorted(stray)}; known: {sorted(self.domains)}")
        groups = {self.tiers[tier].model for tier in TIERS}
        if clash := groups & set(self.entry_models):
            raise ValueError(f"entry_models: {sorted(clash)} is a tier's model group; clients need another name")
        return self
