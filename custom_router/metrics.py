"""Prometheus metrics on the default registry, served at `/router/metrics`.

With LiteLLM's own `prometheus` callback switched on they appear at `/metrics` too.
Labels are bounded: tiers, causes and stages are enums, domains and intents come from the policy file.
"""

from __future__ import annotations

import os

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

DECISIONS = Counter(
    "tier_router_decisions_total", "Routed requests by the tier decided, the cause that had the last word, and domain.",
    ["tier", "cause", "domain"],
)  # fmt: skip
OUTCOMES = Counter("tier_router_requests_total", "Finished routed requests.", ["tier", "status"])
STAGE_FAILURES = Counter(
    "tier_router_stage_failures_total", "Stages that could not answer; the request went up.", ["cause"]
)
INTENTS = Counter(
    "tier_router_intents_total", "Routed requests by the intent recognised and the tier decided.", ["intent", "tier"]
)
DOMAIN_SCREEN = Counter(
    "tier_router_domain_screen_total", "Requests by whether the domain screen made the sentence encoder run.",
    ["outcome"],
)  # fmt: skip
VLLM_QUESTIONS = Counter(
    "tier_router_vllm_questions_total", "Questions to the vLLM classifier by what came of them within the deadline.",
    ["outcome"],
)  # fmt: skip
VLLM_SECONDS = Histogram(
    "tier_router_vllm_seconds", "Time the vLLM classifier took for an answer, late ones included.",
    buckets=(0.002, 0.005, 0.01, 0.015, 0.02, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0),
)  # fmt: skip
SCORE_CACHE = Counter(
    "tier_router_score_cache_total", "Requests by whether the same prompt's scores were remembered.", ["outcome"]
)
OVERHEAD = Histogram(
    "tier_router_overhead_seconds", "Time the router added before the request was sent upstream.",
    buckets=(0.0005, 0.001, 0.002, 0.004, 0.006, 0.01, 0.02, 0.05, 0.1, 0.5),
)  # fmt: skip
GATE_VERDICTS = Counter(
    "tier_router_gate_verdicts_total", "Answers judged, by the tier that gave them.", ["tier", "verdict"]
)
GATE_CONFIDENCE = Histogram(
    "tier_router_gate_confidence", "Calibrated confidence of judged answers.", ["tier"],
    buckets=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.99, 1.0),
)  # fmt: skip
GATE_ESCALATIONS = Counter("tier_router_gate_escalations_total", "Answers replaced by a higher tier's.", ["tier", "to"])
GATE_HELD = Histogram(
    "tier_router_gate_held_seconds", "Time an answer waited for its verdict and, if replaced, for its replacement.",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0),
)  # fmt: skip
CACHE_REQUESTS = Counter(
    "tier_router_cache_requests_total", "Routed requests by what the cache did, and how a hit was recognised.",
    ["status", "kind"],
)  # fmt: skip
CACHE_REFUSALS = Counter(
    "tier_router_cache_refusals_total", "Why requests passed the cache by, and near questions were refused.", ["guard"]
)
CACHE_LOOKUP = Histogram(
    "tier_router_cache_lookup_seconds", "Time a lookup took, embedding included; waiting for the same question apart.",
    buckets=(0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1),
)  # fmt: skip
CACHE_STORED = Counter("tier_router_cache_stored_total", "Answers kept, or why one was not.", ["outcome"])
CACHE_DROPPED = Counter("tier_router_cache_dropped_total", "Entries dropped on request, by what asked.", ["reason"])
COST = Counter("tier_router_cost_usd_total", "What routed requests cost.", ["tier"])
BASELINE_COST = Counter("tier_router_frontier_baseline_usd_total", "What the frontier would have cost for them.")
POLICY_RELOAD_FAILURES = Counter("tier_router_policy_reload_failures_total", "Policy edits refused.")
RECORDS_WRITTEN = Counter("tier_router_records_written_total", "Decision records handed to the sink's disk.")
RECORDS_DROPPED = Counter("tier_router_records_dropped_total", "Decision records lost, by reason.", ["reason"])

# One series for the version in force: with several workers each process reports its own under multiprocess mode.
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
    """The metrics in Prometheus's text format, summed over workers where they share a directory."""
    if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
