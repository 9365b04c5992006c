"""The gate through the real proxy: verdicts, what the client and the record are told, what it costs."""

from __future__ import annotations

import time
from typing import Any

import pytest
import yaml

from tests.e2e.conftest import COOLDOWN_S
from tests.e2e.gate_stack import (
    ANSWERS,
    CALLED,
    TOP,
    GateProxy,
    logprobs_in,
    text_of,
)

KINDS = ("chat", "completion", "responses", "messages")
WITH_LOGPROBS = [("chat", False), ("chat", True), ("completion", False), ("responses", False), ("responses", True)]
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
JSON_SCHEMA = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA}}
TOOL = {"type": "function", "function": {"name": "locate", "parameters": SCHEMA}}


def cheap(prompt: str) -> str:
    return ANSWERS[prompt][0][1]


@pytest.mark.parametrize("prompt", ["A sure one?", "A middling one?", "An unsure one?"])
def test_streamed_and_plain_requests_get_the_same_verdict(gate: GateProxy, prompt: str) -> None:
    told: dict[tuple[str, bool], Any] = {}
    for kind, stream in WITH_LOGPROBS:
        response = gate.ask(kind, prompt, stream=stream)
        record = gate.record(response)
        verdict, escalated = record["gate"]["verdict"], record["gate"]["escalated_to"]
        assert text_of(kind, response) == (TOP if escalated else cheap(prompt))
        assert response.headers["x-router-tier"] == record["tier"]
        assert response.headers["x-router-confidence"] == f"{record['gate']['confidence']:.3f}"
        assert response.headers["x-router-escalated"] == str(escalated is not None).lower()
        assert response.headers["x-router-cause"] == ",".join(record["causes"])
        told[kind, stream] = (verdict, record["gate"]["confidence"], record["tier"], escalated, record["causes"])
    assert len(set(map(str, told.values()))) == 1, told
    expected = {"A sure one?": "trust", "A middling one?": "review", "An unsure one?": "escalate"}[prompt]
    assert verdict == expected
    assert (record["tier"] == "frontier") == (expected == "escalate")


@pytest.mark.parametrize(("kind", "stream"), [(kind, stream) for kind in KINDS for stream in (False, True)])
def test_a_plain_fault_escalates_on_every_endpoint(gate: GateProxy, kind: str, stream: bool) -> None:
    response = gate.ask(kind, "A refused one?", stream=stream)
    record = gate.record(response)
    assert text_of(kind, response) == TOP
    assert (record["tier"], record["gate"]["verdict"]) == ("frontier", "escalate")
    assert "gate_failure" in record["causes"]
    assert record["gate"]["signals"]["fault_refusal"] == 1.0


@pytest.mark.parametrize("stream", [False, True])
def test_an_escalation_is_paid_for_twice_and_said_so(gate: GateProxy, stream: bool) -> None:
    response = gate.ask("chat", "An unsure one?", stream=stream)
    record = gate.record(response)
    cost = record["cost"]
    assert cost["first_attempt"] > 0
    assert cost["escalation"] == pytest.approx(cost["frontier_baseline"])
    assert cost["total"] == pytest.approx(cost["first_attempt"] + cost["escalation"])
    assert cost["saved"] == pytest.approx(-cost["first_attempt"])
    direct = gate.ask("chat", "An unsure one?", model="tier-frontier").json()["usage"]
    told = record["tokens"]
    assert (told["input"], told["output"]) == (direct["prompt_tokens"], direct["completion_tokens"])
    if not stream:
        assert response.json()["usage"]["completion_tokens"] == direct["completion_tokens"]


@pytest.mark.parametrize("prompt", ["An empty one?", "A cut one?"])
def test_empty_and_cut_answers_escalate(gate: GateProxy, prompt: str) -> None:
    for stream in (False, True):
        response = gate.ask("chat", prompt, stream=stream)
        assert gate.record(response)["causes"][-1] == "gate_failure"
        assert text_of("chat", response) == TOP


def test_an_answer_cut_by_the_clients_own_limit_is_what_it_asked_for(gate: GateProxy) -> None:
    response = gate.ask("chat", "A sure one?", max_tokens=3)
    assert response.json()["choices"][0]["finish_reason"] == "length"
    assert gate.record(response)["tier"] == "simple"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("form", [JSON_SCHEMA, {"type": "json_object"}])
def test_json_that_breaks_its_form_escalates(gate: GateProxy, form: dict[str, Any], stream: bool) -> None:
    for prompt in ("A broken object?", "Another object?", "A good object?"):
        response = gate.ask("chat", prompt, stream=stream, response_format=form)
        fine = prompt == "A good object?" or (prompt == "Another object?" and form["type"] == "json_object")
        assert gate.record(response)["tier"] == ("simple" if fine else "frontier")
        assert text_of("chat", response) == (cheap(prompt) if fine else '{"city": "Paris"}')


@pytest.mark.parametrize("stream", [False, True])
def test_a_good_tool_call_is_delivered_and_a_call_nobody_offered_escalates(gate: GateProxy, stream: bool) -> None:
    response = gate.ask("chat", "Where is the Louvre?", stream=stream, tools=[TOOL])
    record = gate.record(response)
    assert record["gate"]["mode"] != "off"
    assert not [name for name in record["gate"]["signals"] if name.startswith("fault")]
    assert '"locate"' in response.text
    assert "tool_calls" in response.text

    response = gate.ask("chat", CALLED, stream=stream, tools=[TOOL])
    record = gate.record(response)
    assert text_of("chat", response) == TOP
    assert "destroy" not in response.text
    assert (record["tier"], record["causes"][-1]) == ("frontier", "gate_failure")
    assert record["gate"]["signals"]["fault_invalid_tool_call"] == 1.0


def test_several_alternatives_are_not_judged(gate: GateProxy) -> None:
    response = gate.ask("chat", "An unsure one?", n=2)
    assert len(response.json()["choices"]) == 2
    record = gate.record(response)
    assert (record["tier"], record["gate"]["verdict"], record["gate"]["mode"]) == ("simple", "bypass", "off")


def test_the_whole_conversation_goes_to_the_frontier(gate: GateProxy) -> None:
    history = [
        {"role": "system", "content": "You are a geographer."},
        {"role": "user", "content": "Hello, let us talk of France."},
        {"role": "assistant", "content": "Gladly. Where shall we begin?"},
        {"role": "user", "content": "An unsure one?"},
    ]
    body = {"model": "auto", "messages": history}
    response = gate.http.post("/v1/chat/completions", json=body)
    assert gate.record(response)["gate"]["escalated_to"] == "frontier"
    direct = gate.http.post("/v1/chat/completions", json={**body, "model": "tier-frontier"}).json()
    assert response.json()["usage"] == direct["usage"]
    assert response.json()["choices"][0]["message"]["content"] == TOP


def test_usage_may_be_the_sum_of_both_answers(gate: GateProxy) -> None:
    parts = [
        gate.ask("chat", "An unsure one?", model=f"tier-{tier}").json()["usage"]["total_tokens"]
        for tier in ("simple", "frontier")
    ]
    with gate.policy(gate={"usage": "sum"}):
        assert gate.ask("chat", "An unsure one?").json()["usage"]["total_tokens"] == sum(parts)


@pytest.mark.parametrize("frontier", ["well", "dead"])
def test_usage_may_be_the_sum_of_every_answer_of_a_chain(gate: GateProxy, frontier: str) -> None:
    prompt = "A second opinion doubts?" if frontier == "well" else "A second opinion is empty?"
    tiers = ("simple", "medium", "frontier") if frontier == "well" else ("simple", "medium")
    parts = {t: gate.ask("chat", prompt, model=f"tier-{t}").json()["usage"]["total_tokens"] for t in tiers}
    if frontier == "dead":
        gate.kill("anthropic", "openai")
    costs = []
    for usage in ("final", "sum"):
        with gate.policy(gate={"usage": usage, "escalate_to": "next"}):
            response = gate.ask("chat", prompt)
            record = gate.record(response)
        delivered = parts["frontier" if frontier == "well" else "simple"]
        assert response.json()["usage"]["total_tokens"] == (sum(parts.values()) if usage == "sum" else delivered)
        costs.append(record["cost"]["total"])
    assert costs[0] == pytest.approx(costs[1]), "what the client is told is not billed"


def test_without_any_signal_the_policy_decides(gate: GateProxy) -> None:
    response = gate.ask("messages", "An unsure one?")
    assert gate.record(response)["gate"]["verdict"] == "none"
    assert response.headers["x-router-confidence"] == "none"
    with gate.policy(gate={"no_signal": "escalate"}):
        for stream in (False, True):
            response = gate.ask("messages", "An unsure one?", stream=stream)
            assert text_of("messages", response) == TOP
            assert "gate_no_signal" in gate.record(response)["causes"]


@pytest.mark.parametrize(("kind", "stream"), [(kind, stream) for kind in KINDS for stream in (False, True)])
def test_log_probabilities_do_not_reach_a_client_that_did_not_ask(gate: GateProxy, kind: str, stream: bool) -> None:
    for prompt in ("A sure one?", "An unsure one?"):
        response = gate.ask(kind, prompt, stream=stream)
        assert response.status_code == 200
        assert logprobs_in(response.text) == []
    if kind != "messages":
        asked = [r for r in gate.seen()["deepseek"] if {"logprobs", "include"} & set(r["body_keys"])]
        assert len(asked) == 2


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_asked_gets_its_log_probabilities(gate: GateProxy, stream: bool) -> None:
    for prompt in ("A sure one?", "An unsure one?"):
        response = gate.ask("chat", prompt, stream=stream, logprobs=True, top_logprobs=2)
        given = [value for value in logprobs_in(response.text) if isinstance(value, dict)]
        tokens = [token for value in given for token in value["content"]]
        assert tokens
        assert {len(token["top_logprobs"]) for token in tokens} == {2}
        gate.record(response)


@pytest.mark.parametrize("where", ["override", "fallback"])
def test_log_probabilities_asked_for_in_vain_do_not_leak(gate: GateProxy, where: str) -> None:
    """The answer turns out not to be judged: a tier left out by an override, LiteLLM's own fallback to the frontier."""
    overrides = [{"tier": "simple", "enabled": False}] if where == "override" else []
    if where == "fallback":
        gate.kill("deepseek", "hosted_vllm", "gemini", "openai")
    with gate.policy(gate={"overrides": overrides, "keepalive_s": 9}):
        answers = [gate.ask(kind, "A sure one?", stream=stream) for kind, stream in WITH_LOGPROBS]
    for response in answers:
        record = gate.record(response)
        assert (record["gate"]["verdict"], record["gate"]["mode"]) == ("bypass", "off")
        assert logprobs_in(response.text) == []


def test_a_deployment_that_refuses_log_probabilities_is_not_asked_again(gate: GateProxy) -> None:
    tiers = yaml.safe_load(gate.stack.policy.read_text(encoding="utf-8"))["tiers"]
    with gate.policy(tiers={**tiers, "simple": {**tiers["simple"], "model": "tier-shy"}}):
        first = gate.ask("chat", "A sure one?")
        record = gate.record(first)
        assert (record["tier"], record["gate"]["verdict"]) == ("simple", "trust")
        assert "provider_fallback" in record["causes"]
        time.sleep(COOLDOWN_S + 0.2)
        gate.reset()
        for stream in (False, True):
            response = gate.ask("chat", "A sure one?", stream=stream)
            record = gate.record(response)
            assert (record["tier"], record["gate"]["verdict"]) == ("simple", "none")
        assert gate.asked() == {"mistral": 2}
        assert not any("logprobs" in request["body_keys"] for request in gate.seen()["mistral"])


def test_one_callers_bad_request_does_not_end_the_judging_of_others(gate: GateProxy) -> None:
    refused = gate.ask("chat", "A sure one?", logprobs=True, top_logprobs=99)
    assert gate.record(refused)["tier"] != "simple", "its providers refuse that"
    record = gate.record(gate.ask("chat", "A sure one?"))
    assert (record["tier"], record["gate"]["verdict"]) == ("simple", "trust")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("prompt", ["A sure one?", "An unsure one?"])
def test_metadata_that_poses_as_the_gates_own_call_hides_no_record(gate: GateProxy, prompt: str, stream: bool) -> None:
    forged = {"tier_router_gate_call": {"token": "forged", "purpose": "answer"}}
    response = gate.ask("chat", prompt, stream=stream, metadata=forged, litellm_metadata=forged)
    record = gate.record(response)
    assert record["gate"]["verdict"] == ("trust" if prompt == "A sure one?" else "escalate")
    assert record["cost"]["first_attempt"] > 0
    gate.idle()


def test_what_continues_a_replaced_answer_goes_on_where_it_was_answered(gate: GateProxy) -> None:
    """A tool loop would otherwise change its model in the middle, and be escalated again at each step."""
    asked = {"role": "user", "content": "An unsure one?"}
    assert gate.record(gate.ask("chat", "An unsure one?"))["gate"]["escalated_to"] == "frontier"
    # Another question of the same conversation is one of its own.
    later = gate.record(
        gate.chat(messages=[asked, {"role": "assistant", "content": TOP}, {"role": "user", "content": LONG}])
    )
    assert later["decided_tier"] == "simple"
    call = {"id": "c", "type": "function", "function": {"name": "locate", "arguments": "{}"}}
    step = [{"role": "assistant", "content": None, "tool_calls": [call]}]
    step.append({"role": "tool", "tool_call_id": "c", "content": "Nothing found."})
    record = gate.record(gate.chat(messages=[asked, *step], tools=[TOOL]))
    assert (record["decided_tier"], record["gate"]["escalated_to"]) == ("frontier", None)
    assert record["causes"] == ["conversation_kept"]


LONG = "Now for something else entirely: which rivers flow through the capital city of Hungary, from north to south?"
