"""Images and deployments without vision: refused before they are sent, in each API, with one record."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.conftest import wait_until
from tests.e2e.gate_stack import GateProxy, request_with_image

APIS = ("chat", "responses", "messages")
BLIND_FRONTIER = {
    "simple": {"model": "tier-simple", "threshold": 0.6},
    "medium": {"model": "tier-medium", "threshold": 0.6},
    "frontier": {"model": "tier-shy"},
}
"""`tier-shy` has models that LiteLLM knows no vision of."""


def refusals(gate: GateProxy) -> float:
    """Finished requests with an error and images that no tier could take, by the metrics."""
    text = gate.http.get("/router/metrics").raise_for_status().text
    return sum(
        s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
        if s.name == "tier_router_causes_total" and s.labels["cause"] == "no_capable_tier"
    )


def refused(gate: GateProxy, kind: str, stream: bool, headers: dict[str, str] | None = None) -> tuple[str, Any]:
    """What the client is told, and the only new record, of a request that must be refused."""
    gate.idle()
    before, counted = {record["request_id"] for record in gate.settled()}, refusals(gate)
    path, body = request_with_image(kind)
    answer = gate.http.post(path, json={"model": "auto", "stream": stream, **body}, headers=headers)
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/json"
    told = answer.json()
    if kind == "messages":
        assert told["type"] == "error"
    assert told["error"]["type"] == "invalid_request_error"
    new = [record for record in gate.settled() if record["request_id"] not in before]
    assert len(new) == 1
    assert new[0]["outcome"] == {**new[0]["outcome"], "status": "error", "error": "ImageRefused"}
    assert (new[0]["cost"]["total"], new[0]["deployment"]) == (None, None)
    assert "no_capable_tier" in new[0]["causes"]
    assert refusals(gate) == counted + 1
    assert not gate.asked()
    return told["error"]["message"], new[0]


@pytest.mark.parametrize("stream", [False, True])
def test_a_capped_request_with_an_image_is_refused_where_its_tier_is_blind(gate: GateProxy, stream: bool) -> None:
    with gate.policy(callers={"max_tier": "simple"}):
        for kind in APIS:
            told, record = refused(gate, kind, stream)
            assert "simple is the highest tier that this key may use" in told
            assert "raise max_tier to medium, or give tier-simple models with vision" in told
            assert record["causes"][-3:] == ["vision_required", "caller_cap", "no_capable_tier"]
        answer = gate.ask("chat", "A sure one?", stream=stream)
        assert answer.status_code == 200, "without an image it is answered"


@pytest.mark.parametrize("stream", [False, True])
def test_an_image_that_must_go_to_a_blind_frontier_is_refused(gate: GateProxy, stream: bool) -> None:
    with gate.policy(tiers=BLIND_FRONTIER):
        for kind in APIS:
            told, record = refused(gate, kind, stream, {"x-router-tier": "frontier"})
            assert "it must go to tier frontier" in told
            assert "max_tier" not in told
            assert record["tier"] == "frontier"
        path, body = request_with_image("chat")
        answer = gate.http.post(path, json={"model": "auto", "stream": stream, **body})
        assert answer.headers["x-router-tier"] == "medium", "where it need not go there, it is answered"
        assert gate.record(answer)["outcome"]["status"] == "ok"


@pytest.mark.parametrize("stream", [False, True])
def test_no_fallback_leads_an_image_to_a_blind_tier(gate: GateProxy, stream: bool) -> None:
    with gate.policy(tiers=BLIND_FRONTIER):
        gate.fault("refuse", "gemini", "openai")
        path, body = request_with_image("chat")
        assert gate.http.post(path, json={"model": "auto", "stream": stream, **body}).status_code >= 400
        assert not {"mistral", "groq"} & gate.asked().keys()
        gate.reset()


@pytest.mark.parametrize("mode", ["shadow", "off"])
def test_where_the_router_does_not_rule_it_refuses_nothing(gate: GateProxy, mode: str) -> None:
    with gate.policy(mode=mode, default_tier="frontier", tiers=BLIND_FRONTIER):
        path, body = request_with_image("chat")
        gate.http.post(path, json={"model": "auto", **body})
        # The simulator's model without vision says so itself.
        wait_until(lambda: bool(gate.asked()))
        assert gate.asked().keys() <= {"mistral", "groq"}
