"""Conversations that only the provider has, through the real proxy: `/v1/responses` with `previous_response_id`."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Proxy
from tests.e2e.gate_stack import GateProxy, events

MONEY = "Is the interest on my mortgage tax deductible?"
EASY = "Translate 'good night' into Spanish."
AFTER = "Translate 'good morning' into Spanish."
TOOL = {"type": "function", "name": "search", "parameters": {"type": "object", "properties": {}}}


def ask(proxy: Proxy, given: Any, **options: Any) -> httpx.Response:
    response = proxy.http.post("/v1/responses", json={"model": "auto", "input": given, **options})
    assert response.status_code == 200, response.text
    return response


def id_of(response: httpx.Response) -> str:
    if response.headers["content-type"].startswith("text/event-stream"):
        (id_,) = {event["response"]["id"] for event in events(response.text) if "response" in event}
        return str(id_)
    return str(response.json()["id"])


def routed(response: httpx.Response) -> tuple[str, str]:
    return response.headers["x-router-tier"], response.headers["x-router-cause"].split(",")[-1]


@pytest.mark.parametrize("stream", [False, True])
def test_a_turn_by_id_stays_in_the_tier_that_answered_the_one_before(fresh: Proxy, stream: bool) -> None:
    last = ask(fresh, MONEY, stream=stream)
    assert last.headers["x-router-tier"] == "frontier"
    for text in (AFTER, EASY):
        last = ask(fresh, text, stream=stream, previous_response_id=id_of(last))
        assert routed(last) == ("frontier", "conversation_floor")
    easy = ask(fresh, EASY, stream=stream)
    then = ask(fresh, AFTER, stream=stream, previous_response_id=id_of(easy))
    assert then.headers["x-router-tier"] == easy.headers["x-router-tier"] != "frontier"


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_loop_by_id_keeps_its_tier(fresh: Proxy, stream: bool) -> None:
    last = ask(fresh, EASY, stream=stream, tools=[TOOL])
    tier = last.headers["x-router-tier"]
    assert tier != "frontier"
    for step in range(2):
        result = {"type": "function_call_output", "call_id": f"c{step}", "output": "<li>no page</li>" * 40}
        last = ask(fresh, [result], stream=stream, tools=[TOOL], previous_response_id=id_of(last))
        assert routed(last) == (tier, "conversation_kept")


@pytest.mark.parametrize("where", [{"previous_response_id": "resp_6c8f"}, {"conversation": "conv_6c8f"}])
def test_what_no_tier_is_known_to_have_answered_goes_up(fresh: Proxy, where: dict[str, Any]) -> None:
    assert routed(ask(fresh, EASY, **where)) == ("frontier", "conversation_unknown")


def test_a_turn_by_id_reaches_the_deployment_that_has_the_one_before(fresh: Proxy) -> None:
    fresh.kill("anthropic")
    first = ask(fresh, MONEY)
    assert first.headers["x-router-tier"] == "frontier"
    fresh.reset()
    ask(fresh, AFTER, previous_response_id=id_of(first))
    assert {name for name, requests in fresh.seen().items() if requests} == {"openai"}


@pytest.mark.parametrize("stream", [False, True])
def test_where_the_gate_replaced_the_answer_the_replacements_tier_counts(gate: GateProxy, stream: bool) -> None:
    first = gate.ask("responses", "An unsure one?", stream=stream)
    assert gate.record(first)["gate"]["escalated_to"] == "frontier"
    then = gate.ask("responses", "A sure one?", stream=stream, previous_response_id=id_of(first))
    assert routed(then) == ("frontier", "conversation_floor")
