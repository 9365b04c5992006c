"""Prometheus metrics on the default registry, served at `/router/metrics`; docs/metrics.md says what each one means.

With LiteLLM's own `prometheus` callback switched on they appear at `/metrics` too. What is known of a finished request
is counted in `observed`, from its record; the state of this process is told by `state_gauges`.

Labels are bounded: tiers, causes and stages are enums, domains and intents come from the policy file, teams and
deployments pass through `bounded_labels`.
"""

from __future__ import annotations

import os
from pathlib import Path

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

_SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)

# Decisions
DECISIONS = Counter(
    "tier_router_decisions_total", "Requests by the tier decided, the cause that had the last word, and domain.",
    ["tier", "cause", "domain"],
)  # fmt: skip
CAUSES = Counter("tier_router_causes_total", "Requests by each of their causes.", ["cause"])
INTENTS = Counter(
    "tier_router_intents_total", "Requests by the intent recognised and the tier decided.", ["intent", "tier"]
)
P_OK = Histogram(
    "tier_router_p_ok", "The classifier's probability that a tier's answer would be good enough.", ["tier"],
    buckets=_SHARES,
)  # fmt: skip
OOD = Histogram(
    "tier_router_ood", "Share of training prompts that are more typical than the prompt.",
    buckets=(0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0),
)  # fmt: skip
STAGE_FAILURES = Counter("tier_router_stage_failures_total", "Requests with a stage that could not answer.", ["cause"])
DOMAIN_SCREEN = Counter(
    "tier_router_domain_screen_total", "Requests by whether the domain screen made the sentence encoder run.",
    ["outcome"],
)  # fmt: skip
SCORE_CACHE = Counter(
    "tier_router_score_cache_total", "Requests by whether the same prompt's scores were remembered.", ["outcome"]
)
VLLM_QUESTIONS = Counter(
    "tier_router_vllm_questions_total", "Questions to the vLLM classifier by what came of them within the deadline.",
    ["outcome"],
)  # fmt: skip
VLLM_SECONDS = Histogram(
    "tier_router_vllm_seconds", "Time the vLLM classifier took for an answer, late ones included.",
    buckets=(0.002, 0.005, 0.01, 0.015, 0.02, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0),
)  # fmt: skip

# Outcomes
OUTCOMES = Counter(
    "tier_router_requests_total", "Finished requests by the tier that answered, or `cache`.", ["tier", "status"]
)
DEPLOYMENTS = Counter("tier_router_deployment_requests_total", "Finished requests.", ["deployment", "status"])
TOKENS = Counter("tier_router_tokens_total", "Tokens of the answers delivered.", ["tier", "direction"])
DOMAIN_VIOLATIONS = Counter(
    "tier_router_domain_violations_total", "Requests of a domain answered below the tier required of it.", ["domain"]
)
CAP_VIOLATIONS = Counter("tier_router_cap_violations_total", "Capped requests answered above their cap.")
FEEDBACK = Counter("tier_router_feedback_total", "Opinions of callers on answers.", ["opinion", "cache"])

# Time
REQUEST_SECONDS = Histogram(
    "tier_router_request_seconds", "Time from a request's arrival to the end of its answer.", ["path"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0),
)  # fmt: skip
TTFT_SECONDS = Histogram(
    "tier_router_ttft_seconds", "Time to a stream's first token.", ["path"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)  # fmt: skip
OVERHEAD = Histogram(
    "tier_router_overhead_seconds", "Time the router added before the request was sent upstream.",
    buckets=(0.0005, 0.001, 0.002, 0.004, 0.006, 0.01, 0.02, 0.05, 0.1, 0.5),
)  # fmt: skip
STAGE_SECONDS = Histogram(
    "tier_router_stage_seconds", "Time a stage of the decision took.", ["stage"],
    buckets=(0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 1.0, 10.0),
)  # fmt: skip

# The gate
GATE_VERDICTS = Counter(
    "tier_router_gate_verdicts_total", "Requests whose answer was judged, by the tier that answered first.",
    ["tier", "verdict"],
)  # fmt: skip
GATE_CONFIDENCE = Histogram(
    "tier_router_gate_confidence", "Calibrated confidence of the last answer judged.", ["tier"],
    buckets=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.99, 1.0),
)  # fmt: skip
GATE_ESCALATIONS = Counter(
    "tier_router_gate_escalations_total", "Requests whose answer was replaced by a higher tier's.", ["tier", "to"]
)
GATE_HELD = Histogram(
    "tier_router_gate_held_seconds", "Time an answer waited for its verdict and, if replaced, for its replacement.",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0),
)  # fmt: skip

# The cache
CACHE_REQUESTS = Counter(
    "tier_router_cache_requests_total", "Requests by what the cache did, and how a hit was recognised.",
    ["status", "kind"],
)  # fmt: skip
CACHE_REFUSALS = Counter(
    "tier_router_cache_refusals_total", "Why requests passed the cache by, and near questions were refused.", ["guard"]
)
CACHE_EXPECTED_WRONG = Counter(
    "tier_router_cache_expected_wrong_total", "Hits expected to be wrong: the sum of 1 - p_same over hits."
)
CACHE_STORED = Counter("tier_router_cache_stored_total", "Answers kept, or why one was not.", ["outcome"])
CACHE_DROPPED = Counter("tier_router_cache_dropped_total", "Entries dropped on request, by what asked.", ["reason"])

# Money. What was saved can be negative and a counter cannot fall: gains and losses are counted apart.
COST = Counter("tier_router_cost_usd_total", "What requests cost.", ["tier", "team"])
COST_PARTS = Counter("tier_router_cost_parts_usd_total", "What requests cost, by what it was paid for.", ["part"])
ALTERNATIVES = Counter(
    "tier_router_alternative_usd_total", "What requests would have cost, had one tier answered them all.", ["tier"]
)
BASELINE_COST = Counter(
    "tier_router_frontier_baseline_usd_total", "What the frontier would have cost for them.", ["team"]
)
SAVED = Counter("tier_router_saved_usd_total", "Saved by requests that cost less than the frontier would.", ["team"])
LOST = Counter("tier_router_lost_usd_total", "Lost by requests that cost more than the frontier would.", ["team"])
UNPRICED = Counter("tier_router_unpriced_requests_total", "Answered requests of which a price is unknown.", ["unknown"])

# The process
POLICY_RELOAD_FAILURES = Counter("tier_router_policy_reload_failures_total", "Policy edits refused.")
POLICY_REFUSED = Gauge(
    "tier_router_policy_refused", "1 while the policy file on disk is refused.", multiprocess_mode="livemax"
)
RECORDS_WRITTEN = Counter("tier_router_records_written_total", "Decision records handed to the sink's disk.")
RECORDS_DROPPED = Counter("tier_router_records_dropped_total", "Decision records lost, by reason.", ["reason"])
for _reason in ("disk", "queue_full"):
    RECORDS_DROPPED.labels(_reason)  # a series that began with the first loss would show no increase
RECORDS_WAITING = Gauge("tier_router_records_waiting", "Decision records not yet on disk.", multiprocess_mode="livesum")
UNDER_WAY = Gauge("tier_router_requests_under_way", "Requests without an end so far.", multiprocess_mode="livesum")
BREAKER_OPEN = Gauge(
    "tier_router_breaker_open", "1 where a part is left alone after repeated failures.", ["part"],
    multiprocess_mode="livemax",
)  # fmt: skip
PART_UNAVAILABLE = Gauge(
    "tier_router_part_unavailable", "1 where a part that the policy needs cannot be used.", ["part"],
    multiprocess_mode="livemax",
)  # fmt: skip
DRIFT = Gauge(
    "tier_router_drift_psi", "Population stability index of recent traffic against its reference.", ["of"],
    multiprocess_mode="livemax",
)  # fmt: skip
_POLICY_INFO = Gauge(
    "tier_router_policy_info", "1 for the policy version in force.", ["version"],
    multiprocess_mode="livemax",
)  # fmt: skip
_current_version: str | None = None


def policy_loaded(version: str) -> None:
    """Note the policy version in force in this process."""
    global _current_version
    if _current_version is not None and _current_version != version:
        if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            _POLICY_INFO.labels(version=_current_version).set(0)
        else:
            _POLICY_INFO.remove(_current_version)
    _POLICY_INFO.labels(version=version).set(1)
    _current_version = version


def exposition() -> bytes:
    """The metrics in Prometheus's text format, of all workers together where they share a directory."""
    shared = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if not shared:
        return generate_latest(REGISTRY)
    forget_the_dead(Path(shared))
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def forget_the_dead(shared: Path) -> None:
    """Drop the gauges of workers that were killed, whose last state would be told for ever. Counters stay."""
    for pid in {path.stem.rpartition("_")[2] for path in shared.glob("gauge_live*.db")}:
        if pid.isdecimal() and not _alive(int(pid)):
            mark_process_dead(int(pid), str(shared))  # type: ignore[no-untyped-call]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
