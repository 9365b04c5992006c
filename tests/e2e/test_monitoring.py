"""A real Prometheus scrapes the real proxy: every metric that alerts and dashboard ask for is there, and answers."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.deploy.dashboards import RULES, alerts, asked, queries
from tests.e2e.cache_stack import ASKED, CacheProxy
from tests.e2e.conftest import wait_until
from tests.e2e.prometheus_server import PrometheusServer

# What this traffic cannot produce: no domain, no vLLM, no thousand requests, no cap, nothing broken.
SILENT = {"Domains", "vLLM classifier", "Drift (population stability index)", "Domain's requests below their tier"}
SILENT |= {"Stages that could not answer", "Sentence encoder asked; scores remembered", "Requests without a price"}


@pytest.fixture(scope="module")
def served(cache_proxy: CacheProxy) -> CacheProxy:
    """The cache's proxy after a little of everything: a hit, streams, an escalation, an opinion, a dead provider."""
    cache_proxy.reset()
    cache_proxy.drop()
    cache_proxy.keep("chat")
    cache_proxy.kill("deepseek")
    cache_proxy.send("chat", "A sure one?", headers={"x-router-cache": "bypass"})
    cache_proxy.reset()
    traffic(cache_proxy)
    return cache_proxy


def traffic(proxy: CacheProxy) -> None:
    hit = proxy.send("chat", ASKED)
    assert hit.headers["x-router-cache"] == "hit"
    # Were most answers escalated, the router would soon pass over the tier.
    fresh = {"x-router-cache": "bypass"}
    for kind in ("chat", "responses", "messages", "chat"):
        assert proxy.send(kind, "A sure one?", stream=True, headers=fresh).status_code == 200
    assert proxy.send("chat", "An unsure one?", headers=fresh).status_code == 200
    request_id = hit.headers["x-router-request-id"]
    told = proxy.http.post("/router/feedback", json={"request_id": request_id, "score": 1})
    assert told.status_code == 200, told.text


def exposed(proxy: CacheProxy) -> dict[str, set[str]]:
    """Metrics of the proxy, with the labels that their series have."""
    text = proxy.http.get("/router/metrics").raise_for_status().text
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found[name] = {label for sample in family.samples for label in sample.labels} - {"le"}
    return found


def test_what_alerts_and_dashboard_ask_for_is_exposed(served: CacheProxy) -> None:
    known = exposed(served)
    wanted = [expression for given in queries().values() for expression in given] + [a["expr"] for a in alerts()]
    for expression in wanted:
        for name, labels in asked(expression):
            assert name in known, expression
            assert labels <= known[name] or not known[name], (name, expression)


def test_losses_are_counted_from_nothing(served: CacheProxy) -> None:
    """A series that begins with the first loss shows no increase, and nobody is alerted."""
    text = served.http.get("/router/metrics").raise_for_status().text
    for reason in ("disk", "queue_full"):
        assert f'tier_router_records_dropped_total{{reason="{reason}"}} 0.0' in text


@pytest.fixture(scope="module")
def prometheus(served: CacheProxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    with PrometheusServer(served.stack, tmp_path_factory.mktemp("prometheus") / "server", RULES) as server:
        wait_until(server.ready)
        wait_until(lambda: server.value('up{job="tier-router"}') == 1)
        yield server


def test_every_query_of_the_dashboard_answers(served: CacheProxy, prometheus: PrometheusServer) -> None:
    def silent() -> set[str]:
        traffic(served)  # what increases between two scrapes
        return {title for title, given in queries().items() if not any(prometheus.query(query) for query in given)}

    deadline = time.monotonic() + 60
    while (left := silent() - SILENT) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert not left, "panels without data"
    for given in queries().values():
        for query in given:
            prometheus.query(query)  # fails where Prometheus finds an error


def test_sums_are_those_of_the_records(served: CacheProxy, prometheus: PrometheusServer) -> None:
    served.idle()
    # Records reach the disk a moment later, and Prometheus asks once a second.
    wait_until(lambda: prometheus.value("sum(tier_router_requests_total)") == len(served.records()))
    records = served.records()
    saved = [record["cost"]["saved"] for record in records if record["cost"]["saved"] is not None]
    expected = {
        "sum(tier_router_cost_usd_total)": sum(record["cost"]["total"] or 0.0 for record in records),
        "sum(tier_router_saved_usd_total) - sum(tier_router_lost_usd_total)": sum(saved),
        'sum(tier_router_cache_requests_total{status="hit"})': sum(r["cache"]["status"] == "hit" for r in records),
        "sum(tier_router_gate_escalations_total)": sum(r["gate"]["escalated_to"] is not None for r in records),
        'sum(tier_router_request_seconds_count{path="hit"})': sum(r["cache"]["status"] == "hit" for r in records),
    }
    for expression, value in expected.items():
        assert math.isclose(prometheus.value(expression), value, rel_tol=1e-9, abs_tol=1e-9), expression


def test_the_rules_are_evaluated_and_none_is_about_what_is_well(prometheus: PrometheusServer) -> None:
    assert prometheus.unhealthy_rules() == []
    assert not prometheus.alerts() & {"TierRouterTargetDown", "TierRouterBreakerOpen", "TierRouterRecordsDropped"}
