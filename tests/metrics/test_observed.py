"""A finished record, counted: each figure once, from what the record says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from custom_router.causes import MEANING, Cause
from custom_router.observed import FAILURES, PARTS, observe, observe_feedback, path_of
from custom_router.records.finished import FinishedRecords
from custom_router.records.record import (
    CacheFields,
    CostFields,
    DecisionRecord,
    DomainFields,
    GateFields,
    OutcomeFields,
    ScoreFields,
    Tenant,
    TokenFields,
    VllmFields,
)
from custom_router.records.sinks import MemorySink

Counted = Callable[..., float]


def record(**changes: Any) -> DecisionRecord:
    given_: dict[str, Any] = {
        "request_id": "r", "time": "2026-01-01T00:00:00.000+00:00", "policy_version": "v", "entry_model": "auto",
        "call_type": "chat", "stream": False, "tenant": Tenant(team="t-1", team_alias="Support"),
        "tier": "simple", "decided_tier": "simple", "decided_by": "score", "causes": ["score"],
        "outcome": OutcomeFields("ok"),
    }  # fmt: skip
    return DecisionRecord(**{**given_, **changes})


@pytest.fixture
def counted() -> Counted:
    """How much a series has grown since the test began."""

    def value(name: str, labels: dict[str, str]) -> float:
        return REGISTRY.get_sample_value(f"tier_router_{name}", labels) or 0.0

    before = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in REGISTRY.collect()
        for sample in family.samples
    }

    def grown(name: str, **labels: str) -> float:
        key = (f"tier_router_{name}", tuple(sorted(labels.items())))
        return round(value(name, labels) - before.get(key, 0.0), 9)

    return grown


def test_every_cause_is_counted_and_failures_again(counted: Counted) -> None:
    observe(record(causes=["encoder_timeout", "domain_rule"], decided_by="domain_rule", domain=DomainFields("legal")))
    assert counted("decisions_total", tier="simple", cause="domain_rule", domain="legal") == 1
    assert counted("causes_total", cause="encoder_timeout") == counted("causes_total", cause="domain_rule") == 1
    assert counted("stage_failures_total", cause="encoder_timeout") == 1
    assert counted("stage_failures_total", cause="domain_rule") == 0


def test_failures_are_the_causes_that_are_no_decision() -> None:
    """Named by what failed; a new cause of that kind must be counted as one."""
    ends = ("_timeout", "_unavailable", "_busy", "_breaker_open", "_error", "_unusable", "_lost")
    named = {cause for cause in MEANING if cause.endswith(ends)}
    assert named - {Cause.GATE_ESCALATION_TIMEOUT} == FAILURES


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({}, "direct"),
        ({"gate": GateFields(escalated_to="frontier")}, "escalated"),
        ({"cache": CacheFields("hit", "exact")}, "hit"),
        ({"cache": CacheFields("miss", guard="lost")}, "direct"),
    ],
)
def test_latency_is_told_apart_by_path(changes: dict[str, Any], path: str, counted: Counted) -> None:
    made = record(**changes, latency_ms={"total": 1500.0, "ttft": 40.0, "overhead": 3.0, "rules": 0.15, "else": 1.0})
    assert path_of(made) == path
    observe(made)
    assert counted("request_seconds_sum", path=path) == 1.5
    assert counted("ttft_seconds_sum", path=path) == 0.04
    assert counted("overhead_seconds_sum") == 0.003
    assert counted("stage_seconds_sum", stage="rules") == 0.00015
    assert counted("stage_seconds_sum", stage="else") == 0


def test_a_failed_request_has_no_latency_of_an_answer(counted: Counted) -> None:
    observe(record(outcome=OutcomeFields("error", "Timeout"), latency_ms={"total": 9.0, "overhead": 1.0}))
    assert counted("requests_total", tier="simple", status="error") == 1
    assert counted("request_seconds_count", path="direct") == 0
    assert counted("overhead_seconds_count") == 1
    assert counted("unpriced_requests_total", unknown="cost") == 0


def test_an_escalation_counts_for_the_tier_that_answered_first(counted: Counted) -> None:
    gate = GateFields(confidence=0.2, verdict="escalate", escalated_to="frontier", held_ms=812.0)
    observe(record(gate=gate, tier="frontier"))
    assert counted("gate_verdicts_total", tier="simple", verdict="escalate") == 1
    assert counted("gate_escalations_total", tier="simple", to="frontier") == 1
    assert counted("gate_confidence_sum", tier="simple") == 0.2
    assert counted("gate_held_seconds_sum") == 0.812
    assert counted("requests_total", tier="frontier", status="ok") == 1


def test_an_answer_that_was_not_judged_counts_for_no_verdict(counted: Counted) -> None:
    observe(record())
    assert counted("gate_verdicts_total", tier="simple", verdict="bypass") == 0


def test_the_cache_and_the_hits_expected_to_be_wrong(counted: Counted) -> None:
    observe(record(cache=CacheFields("hit", "semantic", 0.97, 0.985, "e")))
    observe(record(cache=CacheFields("hit", "exact", 1.0, 1.0, "e"), tier="frontier"))
    assert counted("requests_total", tier="frontier", status="ok") == 0, "some other time"
    assert counted("requests_total", tier="cache", status="ok") == 2
    observe(record(cache=CacheFields("miss", None, 0.9, 0.4, "e", "similarity")))
    assert counted("cache_requests_total", status="hit", kind="semantic") == 1
    assert counted("cache_requests_total", status="miss", kind="none") == 1
    assert counted("cache_refusals_total", guard="similarity") == 1
    assert counted("cache_expected_wrong_total") == 0.015


def test_what_was_saved_is_gains_less_losses(counted: Counted) -> None:
    tenant = Tenant(team_alias="Saving")
    observe(record(tenant=tenant, cost=CostFields(0.25, 0.25, frontier_baseline=1.0, saved=0.75)))
    dear = CostFields(1.5, 0.5, 0.75, 0.25, self_check=0.2, vllm=0.05, frontier_baseline=1.0, saved=-0.5)
    dear.alternatives = {"simple": 0.125, "frontier": 1.0}
    observe(record(tenant=tenant, cost=dear))
    assert counted("cost_usd_total", tier="simple", team="Saving") == 1.75
    assert counted("frontier_baseline_usd_total", team="Saving") == 2.0
    assert counted("saved_usd_total", team="Saving") == 0.75
    assert counted("lost_usd_total", team="Saving") == 0.5
    assert [counted("cost_parts_usd_total", part=p) for p in PARTS] == [0.75, 0.75, 0.2, 0.05, 0.0]
    assert counted("alternative_usd_total", tier="simple") == 0.125


def test_an_unknown_price_is_counted_and_nothing_is_claimed(counted: Counted) -> None:
    observe(record(tenant=Tenant(team="unpriced"), cost=CostFields(frontier_baseline=1.0)))
    assert counted("unpriced_requests_total", unknown="cost") == 1
    assert counted("unpriced_requests_total", unknown="baseline") == 0
    assert counted("saved_usd_total", team="unpriced") == counted("cost_usd_total", tier="simple", team="unpriced") == 0


@pytest.mark.parametrize(
    ("required", "tier", "rule", "causes", "broken"),
    [
        ("frontier", "frontier", "model", [], 0),
        ("medium", "frontier", "model", [], 0),
        ("frontier", "medium", "model", [], 1),
        ("frontier", "medium", "term:x", ["cap_over_domain", "caller_cap"], 1),
        ("frontier", "medium", "header", ["caller_cap"], 0),
        (None, "simple", "model", [], 0),
    ],
)
def test_the_contract_of_a_domain(
    required: str | None, tier: str, rule: str, causes: list[str], broken: int, counted: Counted
) -> None:
    observe(record(domain=DomainFields("finance", 1.0, rule, required), tier=tier, decided_tier=tier, causes=causes))
    assert counted("domain_violations_total", domain="finance") == broken


def test_a_domain_that_was_seen_and_held_has_a_series_from_which_to_rise() -> None:
    observe(record(domain=DomainFields("held", 1.0, "model", "frontier"), tier="frontier"))
    assert REGISTRY.get_sample_value("tier_router_domain_violations_total", {"domain": "held"}) == 0.0


def test_a_capped_request_answered_above_its_cap(counted: Counted) -> None:
    observe(record(causes=["score", "caller_cap"], decided_tier="medium", tier="frontier"))
    observe(record(causes=["score", "caller_cap"], decided_tier="medium", tier="medium"))
    observe(record(causes=["score", "gate_failure"], decided_tier="medium", tier="frontier"))
    assert counted("cap_violations_total") == 1


def test_scores_and_the_vllm_classifiers_answer(counted: Counted) -> None:
    vllm = VllmFields({"simple": 1.0}, None, 30.0, False, "vllm_timeout")
    observe(record(scores=ScoreFields({"simple": 0.7, "medium": 0.9, "frontier": 1.0}, 3.0, "m", 0.2, vllm=vllm)))
    observe(record(scores=ScoreFields()))
    assert counted("p_ok_sum", tier="simple") == 0.7
    assert counted("p_ok_sum", tier="medium") == 0.9
    assert counted("ood_count") == 1
    assert counted("vllm_questions_total", outcome="vllm_timeout") == 1
    assert counted("vllm_seconds_sum") == 0.03


@pytest.mark.parametrize(("score", "opinion"), [(1.0, "good"), (0.0, "neutral"), (-0.5, "bad")])
def test_opinions(score: float, opinion: str, counted: Counted) -> None:
    observe_feedback({"cache": {"status": "hit"}}, score)
    assert counted("feedback_total", opinion=opinion, cache="hit") == 1


def test_a_record_that_cannot_be_counted_is_written_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    sink = MemorySink()
    made = record(tokens=TokenFields(-1, 0))
    FinishedRecords(sink).add(made)
    assert sink.records == [made]
    assert "could not be counted" in caplog.text


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0, 5)), max_size=20))
def test_metrics_hold_the_sum_of_the_records(costs: list[tuple[float, float]]) -> None:
    def told() -> float:
        found = [REGISTRY.get_sample_value(f"tier_router_{n}_usd_total", {"team": "Sums"}) for n in ("saved", "lost")]
        return (found[0] or 0.0) - (found[1] or 0.0)

    before = told()
    for total, baseline in costs:
        cost = CostFields(total, total, frontier_baseline=baseline, saved=baseline - total)
        observe(record(tenant=Tenant(team_alias="Sums"), cost=cost))
    assert told() - before == pytest.approx(sum(baseline - total for total, baseline in costs), abs=1e-6)
