"""The gate on streams: held, replayed, replaced, never taken back; and clients that leave."""

from __future__ import annotations

import json
import time

import httpx
import pytest
import yaml
from openai import OpenAI

from tests.e2e.conftest import wait_until
from tests.e2e.gate_stack import ANSWERS, TOP, GateProxy, events, request_of, streamed_text, text_of

CHEAP = {prompt: given[0][1] for prompt, given in ANSWERS.items()}
PREFIX = {"streaming": "prefix", "prefix": {"tokens": 8, "milliseconds": 60_000}}


@pytest.mark.parametrize("prompt", ["A sure one?", "An unsure one?"])
def test_a_held_chat_stream_is_replayed_whole(gate: GateProxy, prompt: str) -> None:
    response = gate.ask("chat", prompt, stream=True, stream_options={"include_usage": True})
    record = gate.record(response)
    given = events(response.text)
    choices = [choice for event in given for choice in event["choices"]]
    assert response.text.count("data: [DONE]") == 1
    assert choices[0]["delta"]["role"] == "assistant"
    assert [c["finish_reason"] for c in choices if c.get("finish_reason")] == ["stop"]
    assert len([c for c in choices if c["delta"].get("content")]) > 3
    assert {event["model"] for event in given} == {"auto"}
    usage = given[-1]["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (
        record["tokens"]["input"],
        record["tokens"]["output"],
    )
    assert record["latency_ms"]["ttft"] >= record["gate"]["held_ms"] > 0


def test_the_official_client_reads_a_replaced_stream(gate: GateProxy) -> None:
    client = OpenAI(base_url=f"{gate.stack.url}/v1", api_key=gate.stack.master_key, max_retries=0)
    messages = [{"role": "user", "content": "An unsure one?"}]
    with gate.policy(gate={"keepalive_s": 0.2}):
        gate.fault("slow_first_token", "anthropic")
        chunks = list(client.chat.completions.create(model="auto", messages=messages, stream=True))  # type: ignore
        final = ""
        for event in client.responses.create(model="auto", input="An unsure one?", stream=True):
            if event.type == "response.completed":
                final = event.response.output_text
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == TOP
    assert final == TOP


@pytest.mark.parametrize("kind", ["chat", "completion", "responses", "messages"])
def test_a_slow_hold_is_kept_alive_by_comments(gate: GateProxy, kind: str) -> None:
    prompt = "A refused one?"
    with gate.policy(gate={"keepalive_s": 0.2}):
        gate.fault("slow_first_token", "anthropic")
        response = gate.ask(kind, prompt, stream=True)
        record = gate.record(response)
    assert response.headers["x-router-confidence"] == response.headers["x-router-escalated"] == "pending"
    lines = response.text.splitlines()
    assert lines.count(": keep-alive") >= 2
    known = ("data:", "event:", "id:", ": keep-alive")
    assert [line for line in lines if line and not line.startswith(known)] == []
    assert streamed_text(kind, response.text) == TOP
    assert record["gate"]["escalated_to"] == record["tier"] == "frontier"
    if kind == "messages":
        kinds = [event["type"] for event in events(response.text)]
        assert (kinds[0], kinds[-1]) == ("message_start", "message_stop")
        assert kinds.count("message_start") == kinds.count("message_stop") == 1


@pytest.mark.parametrize("kind", ["chat", "responses", "messages"])
def test_a_stream_that_is_cut_while_held_is_replaced(gate: GateProxy, kind: str) -> None:
    gate.fault("cut_stream", "deepseek", "hosted_vllm")
    response = gate.ask(kind, "A long sure one?", stream=True)
    record = gate.record(response)
    assert streamed_text(kind, response.text) == TOP
    assert (record["tier"], record["outcome"]["status"]) == ("frontier", "ok")
    assert "gate_failure" in record["causes"]
    gate.idle()


@pytest.mark.parametrize("kind", ["chat", "responses"])
def test_prefix_delivers_one_models_answer_and_never_retracts(gate: GateProxy, kind: str) -> None:
    with gate.policy(gate=PREFIX):
        released = gate.ask(kind, "A long sure one?", stream=True)
        assert streamed_text(kind, released.text) == CHEAP["A long sure one?"]
        record = gate.record(released)
        assert (record["gate"]["mode"], record["tier"]) == ("prefix", "simple")
        assert record["gate"]["verdict"] in ("trust", "review")

        replaced = gate.ask(kind, "A long unsure one?", stream=True)
        assert streamed_text(kind, replaced.text) == TOP
        record = gate.record(replaced)
        assert (record["tier"], record["gate"]["escalated_to"]) == ("frontier", "frontier")
        cost = record["cost"]
        assert cost["total"] == pytest.approx(cost["first_attempt"] + cost["escalation"])
        assert cost["first_attempt"] > 0


def test_a_prefix_of_good_json_is_no_fault(gate: GateProxy) -> None:
    with gate.policy(gate=PREFIX):
        form = {"response_format": {"type": "json_object"}}
        response = gate.ask("chat", "A long object?", stream=True, **form)
        record = gate.record(response)
    assert json.loads(streamed_text("chat", response.text))["city"] == "Paris"
    assert (record["tier"], record["gate"]["verdict"]) == ("simple", "trust")


@pytest.mark.parametrize("kind", ["chat", "completion", "responses"])
def test_a_client_that_leaves_a_slow_stream_while_it_is_held_ends_it(gate: GateProxy, kind: str) -> None:
    tiers = yaml.safe_load(gate.stack.policy.read_text(encoding="utf-8"))["tiers"]
    with gate.policy(tiers={**tiers, "simple": {**tiers["simple"], "model": "tier-slow"}}, gate={"keepalive_s": 0.2}):
        before = {record["request_id"] for record in gate.records()}
        path, body = request_of(kind, "A long sure one?")
        with gate.http.stream("POST", path, json={"model": "auto", "stream": True, **body}) as response:
            lines = response.iter_lines()
            assert [next(lines) for _ in range(3)] == [": keep-alive", "", ": keep-alive"]
        gate.idle()
        wait_until(lambda: len(gate.records()) > len(before))
    left = [record for record in gate.records() if record["request_id"] not in before]
    assert [record["causes"][-1] for record in left] == ["client_gone"]
    assert left[0]["gate"]["escalated_to"] is None


def test_a_stream_released_and_then_cut_ends_in_an_error_and_one_record(gate: GateProxy) -> None:
    gate.fault("cut_stream", "deepseek", "hosted_vllm")
    with gate.policy(gate=PREFIX):
        response = gate.ask("chat", "A long sure one?", stream=True)
        records = gate.records_of(response.headers["x-router-request-id"])
    assert '"error"' in response.text
    assert TOP not in response.text
    assert [record["outcome"]["status"] for record in records] == ["error"]
    gate.idle()


def test_streams_are_left_alone_where_the_policy_says_so(gate: GateProxy) -> None:
    with gate.policy(gate={"streaming": "off"}):
        streamed, plain = gate.ask("chat", "An unsure one?", stream=True), gate.ask("chat", "An unsure one?")
        assert text_of("chat", streamed) == CHEAP["An unsure one?"]
        assert text_of("chat", plain) == TOP
        assert gate.record(streamed)["gate"]["mode"] == "off"


@pytest.mark.parametrize("kind", ["chat", "completion", "responses", "messages"])
def test_a_client_that_leaves_while_the_frontier_is_asked_ends_every_call(gate: GateProxy, kind: str) -> None:
    gate.fault("hang", "anthropic", "openai")
    before = {record["request_id"] for record in gate.records()}
    path, body = request_of(kind, "A refused one?")
    with (
        pytest.raises(httpx.ReadTimeout),
        gate.http.stream("POST", path, json={"model": "auto", "stream": True, **body}, timeout=1.0) as response,
    ):
        response.read()
    gate.idle()
    wait_until(lambda: len(gate.records()) > len(before))
    time.sleep(0.3)
    left = [record for record in gate.records() if record["request_id"] not in before]
    assert len(left) == 1
    assert "client_gone" in left[0]["causes"]
    assert left[0]["cost"]["escalation"] == 0.0


def test_a_client_that_leaves_an_escalated_stream_is_billed_for_what_was_given(gate: GateProxy) -> None:
    gate.fault("slow_first_token", "anthropic")
    before = {record["request_id"] for record in gate.records()}
    with gate.policy(gate={"keepalive_s": 0.2}):
        path, body = request_of("chat", "An unsure one?")
        with gate.http.stream("POST", path, json={"model": "auto", "stream": True, **body}) as response:
            next(response.iter_lines())
        gate.idle()
    wait_until(lambda: len(gate.records()) > len(before))
    left = [record for record in gate.records() if record["request_id"] not in before]
    assert [record["gate"]["verdict"] for record in left] == ["escalate"]


@pytest.mark.parametrize("kind", ["messages", "responses"])
def test_an_error_told_in_the_stream_itself_is_a_broken_stream(gate: GateProxy, kind: str) -> None:
    """LiteLLM passes some upstream failures on as an event, and the stream then ends as if all were well."""
    gate.fault("cut_stream", "deepseek", "hosted_vllm")
    for _ in range(2):
        response = gate.ask(kind, "A long sure one?", stream=True)
        assert streamed_text(kind, response.text) == TOP
        assert gate.record(response)["gate"]["escalated_to"] == "frontier"
    gate.idle()
