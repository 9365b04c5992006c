"""The policy's `cache` section: what may be stored, who may share it, and how sure a reuse must be."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, field_validator

from custom_router.policy.section import Probability, Section


class CacheScope(StrEnum):
    """Who may share a stored answer. Ordered from narrowest to widest."""

    OFF = "off"
    PRIVATE = "private"
    TEAM = "team"
    ORG = "org"
    GLOBAL = "global"


_REDIS_SCHEMES = (
    "redis://", "rediss://", "unix://", "redis+cluster://", "rediss+cluster://", "redis+sentinel://",
    "rediss+sentinel://",
)  # fmt: skip

Positive = Annotated[float, Field(gt=0)]


class RedisPolicy(Section):
    """A Redis of version 6.2 or later that all workers share, for the cache and for what conversations have reached."""

    url: str = Field(min_length=1)
    """`redis://`, `rediss://` (TLS) or `unix://`, with user, password and database; `redis+cluster://` for a cluster,
    `redis+sentinel://host:port,host:port/service` for Sentinel. `os.environ/NAME` reads it from the environment."""
    deadline_ms: Positive = 20.0
    """Milliseconds one operation may take before the request goes on without the cache."""
    prefix: str = Field(default="tier-router", min_length=1, pattern=r"^[A-Za-z0-9_.:-]+$")
    """First part of every key."""

    @field_validator("url")
    @classmethod
    def _known_scheme(cls, value: str) -> str:
        if not value.startswith((*_REDIS_SCHEMES, "os.environ/")):
            # Not the value itself, which may hold a password.
            raise ValueError(f"begin it with one of {', '.join(_REDIS_SCHEMES)} or os.environ/")
        return value


class CachePolicy(Section):
    """Answers that are given again. Only what the gate accepted is stored."""

    enabled: bool = True
    scope: CacheScope = CacheScope.TEAM
    """Widest sharing: off, private (one key), team, org, or global. Domains, teams and keys only narrow it. A key
    without a team, or without an organisation, shares with nobody beyond itself."""
    namespace: str = Field(default="1", min_length=1)
    """Change it to begin with an empty cache: entries of different namespaces never meet."""
    semantic: bool = True
    """Whether a question that only means the same may be answered from the cache. Off: the same text only."""
    max_error: Probability = 0.02
    """Largest tolerated probability that the reused answer is not the answer to the question asked."""
    ttl_minutes: Positive = 1440.0
    """How long an answer is kept."""
    domain_ttl_minutes: dict[str, Positive] = Field(default_factory=dict)
    """Another time to live for a domain's answers."""
    max_temperature: float = Field(default=1.0, ge=0)
    """Requests with a higher temperature want variety; they are neither stored nor served."""
    personal: bool = False
    """Whether texts that look personal ("my order", an account number) may be stored and served."""
    time_dependent: bool = False
    """Whether texts that ask about a moment ("today", "latest") may be stored and served."""
    store_text: bool = True
    """Whether the question's text is kept with its answer. Without it only the same text can be recognised."""
    single_flight_s: float = Field(default=20.0, ge=0)
    """Seconds that a request waits for the answer to the very same question, already under way. 0: never."""
    entries: int = Field(default=20_000, gt=0)
    """Entries kept; the longest unused go first. Each takes about 2 kB and its answer."""
    entries_per_tenant: int = Field(default=5_000, gt=0)
    """Entries that one key, team or organisation may have."""
    answer_kb: Positive = 64.0
    """Longer answers are not stored."""
    file: str | None = None
    """File in which an in-process cache survives a restart, relative to the working directory of the proxy."""
    redis: RedisPolicy | None = None
    """Left out, each worker keeps its own entries, and what conversations have reached, in memory."""

    @field_validator("max_error")
    @classmethod
    def _not_certain(cls, value: float) -> float:
        if value >= 0.5:
            raise ValueError("0.5 or more would serve answers that are more likely wrong than right")
        return value
