"""What the router concluded about one request, and what it knew of the deployments when it did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from custom_router.causes import Cause
from custom_router.classify.base import Scores
from custom_router.classify.opinion import Opinion
from custom_router.domains.base import DomainMatch
from custom_router.policy.cache import CacheScope
from custom_router.policy.schema import Mode
from custom_router.request import RequestView
from custom_router.tiers import TIERS, Tier


@dataclass(frozen=True, slots=True)
class Capability:
    """What every deployment of one tier can take: vision, and the smallest context window (None: unknown)."""

    vision: bool = True
    max_input_tokens: int | None = None


NO_LIMITS: Mapping[Tier, Capability] = {tier: Capability() for tier in TIERS}


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What surrounds a request without being part of it.

    `floor` is the tier its conversation has already reached, `kept` that of the turn which a tool loop or a
    confirmation continues, `followed` that of the turn a follow-up builds on. `domain` is what recognition found.
    `failures` are the stages that could not answer, `unheard` is why the vLLM classifier had no say. `hopeless` are
    tiers whose answers the gate has lately escalated so often that trying them costs more than going up at once.
    """

    capabilities: Mapping[Tier, Capability] = field(default_factory=lambda: NO_LIMITS)
    floor: Tier | None = None
    domain: DomainMatch | None = None
    failures: tuple[Cause, ...] = ()
    hopeless: frozenset[Tier] = frozenset()
    unheard: Cause | None = None
    kept: Tier | None = None
    followed: Tier | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What the models made of a request's text.

    `scores` are what the decision used, `own` the embedding's alone where an `opinion` was asked. `domains` holds the
    domain model's probabilities, None where it was not asked. `failure` is why there are no scores or
    the domain model said nothing, `cached` whether the same prompt had been read a moment ago.
    """

    scores: Scores | None = None
    own: Scores | None = None
    domains: Mapping[str, float] | None = None
    opinion: Opinion | None = None
    failure: Cause | None = None
    cached: bool = False


@dataclass(frozen=True, slots=True)
class Basis:
    """What a decision was made of, so that it can be made again under another policy.

    `view` is the request with the signals of the turn it continues, `judged` the one whose text was read, `searched`
    what the rules looked at, `around` the circumstances, the domain found among them.
    """

    view: RequestView
    judged: RequestView
    searched: str
    around: Circumstances


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome for one request.

    `tier` is what the policy wants; `served` is what answers (the default tier in shadow and off). `causes` are
    in the order in which they moved or confirmed the tier, `set_by` the one that had the last word.
    `complexity` is on 0..10.
    """

    tier: Tier
    served: Tier
    causes: tuple[Cause, ...]
    set_by: Cause
    p_ok: dict[str, float]
    complexity: float
    ood: float
    source: str
    domain: DomainMatch | None
    gate_bypass: bool
    cache: CacheScope
    mode: Mode
    policy_version: str
    latency_ms: Mapping[str, float] = field(default_factory=dict)
    """Milliseconds per stage, filled in by the engine, which owns the clock."""
    intent: str | None = None
    """What the request was recognised as asking for."""
    domain_tier: Tier | None = None
    """The tier that the policy requires of the domain; None without one."""
    reading: Reading | None = None
    """How the scores came about; None where nothing was classified."""
    turn: bytes = b""
    """`conversations.turn_key` of what was asked: the tier that answers it in the end is remembered under it."""
    basis: Basis | None = None
    """What it was made of; None with the router off."""
