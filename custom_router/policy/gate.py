"""The policy's `gate` section: when a cheap answer is good enough, and what happens when it is not."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from custom_router.confidence.gate import GateThresholds
from custom_router.policy.section import Probability, Section
from custom_router.tiers import Tier

SignalName = Literal["logprobs", "text", "self_check", "structured"]
NoSignal = Literal["deliver", "escalate"]


class GateOverride(Section):
    """Other values for some answers. Every condition given must hold; a later override wins over an earlier one."""

    tier: Tier | None = None
    """Answers of this tier only."""
    domain: str | None = None
    """Requests of this domain only. Only a domain whose own `gate` is `on` is gated at all."""
    team: str | None = None
    """Callers of this team (id or alias) only."""
    enabled: bool | None = None
    escalate_below: Probability | None = None
    trust_from: Probability | None = None
    no_signal: NoSignal | None = None

    def covers(self, tier: Tier, domain: str | None, teams: frozenset[str]) -> bool:
        """Whether every condition holds."""
        return self.tier in (None, tier) and self.domain in (None, domain) and (self.team is None or self.team in teams)


class PrefixPolicy(Section):
    """How much of a stream `prefix` looks at before it decides: whichever comes first."""

    tokens: int = Field(default=64, gt=0)
    """Pieces of the answer."""
    milliseconds: float = Field(default=1_500.0, gt=0)
    """Time since the first piece."""


class GatePolicy(Section):
    """The confidence gate: a cheap answer is judged before the client has it."""

    enabled: bool = True
    """Whether answers of the simple and medium tiers are judged at all."""
    escalate_below: Probability = 0.70
    """Calibrated confidence below which a better model answers instead."""
    trust_from: Probability = 0.85
    """Calibrated confidence from which an answer is trusted. In between it is delivered and marked for review."""
    no_signal: NoSignal = "deliver"
    """What to do with an answer about which nothing is known: its provider gives no log probabilities, say."""
    overrides: tuple[GateOverride, ...] = ()
    """Other thresholds for a tier, a domain or a team."""
    signals: tuple[SignalName, ...] = ("logprobs", "text")
    """What is measured. `logprobs` and `text` cost no call; `self_check` costs one token more, asked only where
    there are no log probabilities of the answer; `structured` makes the cheap tier answer in a schema with its own
    confidence, which is weak: use it where a provider gives neither."""
    escalate_to: Literal["frontier", "next"] = "frontier"
    """`frontier`: one step to the top. `next`: simple to medium to frontier; the medium answer is a second opinion
    on the simple one, and often settles it."""
    streaming: Literal["buffer", "prefix", "off"] = "buffer"
    """`buffer`: hold a streamed answer to its end, then replay or replace it. `prefix`: decide on its beginning.
    `off`: streamed answers are not judged."""
    prefix: PrefixPolicy = PrefixPolicy()
    deadline_s: float = Field(default=30.0, gt=0)
    """Seconds an escalation may take (a stream: to its first piece) before the cheap answer is delivered after all."""
    keepalive_s: float = Field(default=10.0, gt=0)
    """Seconds a held stream may be silent before the client gets a comment that keeps the connection open."""
    usage: Literal["final", "sum"] = "final"
    """Token usage shown to the client after an escalation: the delivered answer's, or of all answers together."""
    answer_value_usd: float | None = Field(default=None, ge=0)
    """What a good answer in place of a bad one is worth, in dollars. Given, an escalation that costs more than
    `(1 - confidence)` times it is left out. Leave it out to let the thresholds decide alone."""
    artifact: str | None = None
    """Calibration made by `tier-router fit-gate`, relative to this file; left out, the shipped one, which has seen
    none of your models."""

    @model_validator(mode="after")
    def _ordered(self) -> GatePolicy:
        for override in (GateOverride(), *self.overrides):
            low = self.escalate_below if override.escalate_below is None else override.escalate_below
            high = self.trust_from if override.trust_from is None else override.trust_from
            if low > high:
                raise ValueError(f"escalate_below {low} is above trust_from {high}")
        return self

    def thresholds(self, tier: Tier, domain: str | None, teams: frozenset[str]) -> GateThresholds | None:
        """The thresholds for an answer of `tier`; None where it is not judged."""
        enabled, low, high, unknown = self.enabled, self.escalate_below, self.trust_from, self.no_signal
        for override in self.overrides:
            if override.covers(tier, domain, teams):
                enabled = enabled if override.enabled is None else override.enabled
                low = low if override.escalate_below is None else override.escalate_below
                high = high if override.trust_from is None else override.trust_from
                unknown = override.no_signal or unknown
        # Two overrides, each in order by itself, may cross.
        return GateThresholds(low, max(low, high), unknown) if enabled and tier is not Tier.FRONTIER else None
