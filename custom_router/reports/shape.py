"""What `tier-router report` says, as data: its JSON is these dataclasses. Dollars, milliseconds, shares in 0..1.

Null stands for what the records do not tell: a share of nothing, a price that nobody knew.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from custom_router.reports.store import Read

Interval = tuple[float, float]
"""A 95 % interval."""


@dataclass(frozen=True, slots=True)
class Span:
    """The span reported, and the length of a step of `over_time` in seconds."""

    start: datetime
    end: datetime
    step_s: int


@dataclass(frozen=True, slots=True)
class Cost:
    """`total` is everything: first attempts, escalations, and `classifier`, what deciding and judging cost, of which
    `self_check`, `vllm` and `embedding` are the parts. `saved` is `frontier_baseline` minus the total, of requests
    where both are known; `saved_share` its share of that baseline.

    `shuffled` is what the same mix of tiers dealt out at random would have cost, over the `compared` requests whose
    tokens are priced at every tier; `saved_shuffled` is that minus what those requests cost, the router's own
    spending included.
    """

    total: float
    first_attempt: float
    escalation: float
    classifier: float
    self_check: float
    vllm: float
    embedding: float
    frontier_baseline: float
    saved: float
    saved_share: float | None
    per_request: float | None
    unpriced: int
    shuffled: float | None
    saved_shuffled: float | None
    compared: int


@dataclass(frozen=True, slots=True)
class TierShare:
    """Answers of one tier that were delivered, their share of all answers but the cache's, and their cost."""

    requests: int
    share: float | None
    cost: float


@dataclass(frozen=True, slots=True)
class Judged:
    """Answers that the gate looked at, and those replaced."""

    judged: int
    escalated: int


@dataclass(frozen=True, slots=True)
class Escalation:
    """The gate's work; `by_tier` goes by the tier that answered first. `rate` is a share of the judged."""

    judged: int
    escalated: int
    rate: float | None
    interval: Interval | None
    by_tier: dict[str, Judged]
    verdicts: dict[str, int]


@dataclass(frozen=True, slots=True)
class CacheUse:
    """`hit_rate` is a share of all requests. `estimated_wrong` is the number of wrong hits to be expected by their own
    `p_same`, an exact one being right; `labelled_wrong` of the `labelled` hits got negative feedback."""

    hit: int
    exact: int
    semantic: int
    miss: int
    bypass: int
    hit_rate: float | None
    estimated_wrong: float
    labelled: int
    labelled_wrong: int
    wrong_interval: Interval | None
    guards: dict[str, int]


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Milliseconds of `n` measurements."""

    n: int
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


@dataclass(frozen=True, slots=True)
class Latency:
    """Of answered requests: `direct` ones, `escalated` ones and `hit`s from their arrival to their end; time to the
    first token of streams; what the router added before the call; and its stages."""

    direct: Quantiles
    escalated: Quantiles
    hit: Quantiles
    ttft: Quantiles
    overhead: Quantiles
    stages: dict[str, Quantiles]


@dataclass(frozen=True, slots=True)
class DeploymentUse:
    """One deployment's requests."""

    requests: int
    errors: int
    cost: float


@dataclass(frozen=True, slots=True)
class Step:
    """A stretch of time that begins at `start`."""

    start: datetime
    requests: int
    simple: int
    medium: int
    frontier: int
    hits: int
    escalated: int
    errors: int
    cost: float
    frontier_baseline: float
    saved: float


@dataclass(frozen=True, slots=True)
class Line:
    """One team, key, end user, domain, experiment or call type. `id` is LiteLLM's id or hash where `name` is an alias;
    null on the line that sums up the others. `feedback` is the mean score of the `labelled`."""

    name: str
    id: str | None
    requests: int
    errors: int
    cost: float
    saved: float
    simple: int
    medium: int
    frontier: int
    hits: int
    escalated: int
    p50: float | None
    p95: float | None
    feedback: float | None
    labelled: int


@dataclass(frozen=True, slots=True)
class Labels:
    """Feedback on answers: the mean of scores in -1..1, and the share of those above 0 with its interval."""

    labelled: int
    mean: float | None
    good: int
    good_share: float | None
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Quality:
    """Feedback on all answers, on each tier's, and on the cache's."""

    labelled: int
    mean: float | None
    good: int
    good_share: float | None
    interval: Interval | None
    by_tier: dict[str, Labels]
    hits: Labels


@dataclass(frozen=True, slots=True)
class Bin:
    """Requests whose probability lies from `low` to `high`, its mean, and how many of the labelled ones were good."""

    low: float
    high: float
    n: int
    mean_confidence: float | None
    labelled: int
    good_share: float | None
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Projection:
    """A month at the rate of the span; null where it holds too little."""

    month_requests: int | None
    month_cost: float | None
    month_frontier: float | None
    month_saved: float | None
    assumptions: list[str]


@dataclass(frozen=True, slots=True)
class BreakEven:
    """After how many requests a month the saving has paid `fixed_usd` a month; null where it never does."""

    fixed_usd: float
    saved_per_request: float | None
    requests: int | None
    reached: bool
    line: str


@dataclass(frozen=True, slots=True)
class Report:
    """The whole report."""

    period: Span
    generated_at: datetime
    requests: int
    errors: int
    unknown: int
    cost: Cost
    tiers: dict[str, TierShare]
    escalation: Escalation
    cache: CacheUse
    latency_ms: Latency
    causes: dict[str, int]
    domains: dict[str, int]
    intents: dict[str, int]
    policies: dict[str, int]
    deployments: dict[str, DeploymentUse]
    over_time: list[Step]
    by: dict[str, list[Line]]
    quality: Quality
    confidence: list[Bin]
    scores: list[Bin]
    projection: Projection
    break_even: BreakEven
    read: Read
    notes: list[str]
