"""The gate when things fail: the higher tier is dead, slow or not allowed, and when it must not run at all."""

from __future__ import annotations

import time

import pytest
import yaml

from tests.e2e.conftest import ROOT
from tests.e2e.gate_stack import ANSWERS, TOP, GateProxy, events, text_of

UNSURE = "An unsure one?"
CHEAP = ANSWERS[UNSURE][0][1]
FRONTIER_PROVIDERS = ("anthropic", "openai")
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"
    "AAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg=="
)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", ["killed", "error_500", "rate_limit", "malformed_json", "cut_stream"])
def test_when_the_frontier_fails_the_cheap_answer_is_delivered(gate: GateProxy, fault: str, stream: bool) -> None:
    if fault == "killed":
        gate.kill(*FRONTIER_PROVIDERS)
    else:
        gate.fault(fault, *FRONTIER_PROVIDERS)
    for kind in ("chat", "responses"):
        response = gate.ask(kind, UNSURE, stream=stream)
        record = gate.record(response)
        if stream and record["gate"]["escalated_to"] and fault in ("cut_stream", "malformed_json"):
            # It broke after its first piece, which had already taken the cheap answer's place, or LiteLLM read past it.
            assert CHEAP not in response.text
            continue
        assert text_of(kind, response) == CHEAP
        assert "gate_escalation_failed" in record["causes"]
        assert (record["tier"], record["gate"]["escalated_to"]) == ("simple", None)
        assert response.headers["x-router-escalated"] == "false"
        cost = record["cost"]
        # A stream that broke had begun, and the provider's tokens up to there are billed.
        assert cost["escalation"] == 0.0 or (stream and fault in ("malformed_json", "cut_stream"))
        assert cost["total"] == pytest.approx(cost["first_attempt"] + cost["escalation"])


@pytest.mark.parametrize("stream", [False, True])
def test_a_late_frontier_is_not_waited_for(gate: GateProxy, stream: bool) -> None:
    gate.fault("hang", *FRONTIER_PROVIDERS)
    with gate.policy(gate={"deadline_s": 0.7}):
        began = time.monotonic()
        response = gate.ask("chat", UNSURE, stream=stream)
        waited = time.monotonic() - began
        record = gate.record(response)
    assert text_of("chat", response) == CHEAP
    assert "gate_escalation_timeout" in record["causes"]
    assert record["tier"] == "simple"
    # The hanging deployment's own limit is 120 s, and the test client's 60.
    assert waited < 30


def test_the_frontiers_other_provider_answers_the_escalation(gate: GateProxy) -> None:
    gate.kill("anthropic")
    for stream in (False, True):
        response = gate.ask("chat", UNSURE, stream=stream)
        assert text_of("chat", response) == TOP
        assert gate.record(response)["gate"]["escalated_to"] == "frontier"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("cap", ["simple", "medium"])
def test_a_capped_caller_never_gets_the_frontier(gate: GateProxy, cap: str, stream: bool) -> None:
    with gate.policy(callers={"max_tier": cap}, gate={"escalate_to": "next"}):
        response = gate.ask("chat", UNSURE, stream=stream)
        record = gate.record(response)
        assert record["tier"] == cap
        if cap == "simple":
            assert "gate_over_cap" in record["causes"]
            assert text_of("chat", response) == CHEAP
        assert "anthropic" not in gate.asked()

        gate.kill("gemini", "openai")
        response = gate.ask("chat", UNSURE, stream=stream)
        record = gate.record(response)
        assert text_of("chat", response) == CHEAP
        assert record["tier"] == "simple"
        assert "anthropic" not in gate.asked()


def test_a_sure_second_opinion_settles_it(gate: GateProxy) -> None:
    with gate.policy(gate={"escalate_to": "next"}):
        for stream in (False, True):
            gate.reset()
            response = gate.ask("chat", "A second opinion agrees?", stream=stream)
            record = gate.record(response)
            assert (record["tier"], record["gate"]["escalated_to"]) == ("medium", "medium")
            assert record["gate"]["verdict"] == "trust"
            assert record["gate"]["signals"]["agreement_1"] == 1.0
            assert gate.asked() == {"deepseek": 1, "gemini": 1}


def test_an_unsure_second_opinion_goes_on_to_the_frontier(gate: GateProxy) -> None:
    with gate.policy(gate={"escalate_to": "next"}):
        for stream in (False, True):
            gate.reset()
            response = gate.ask("chat", "A second opinion doubts?", stream=stream)
            record = gate.record(response)
            assert text_of("chat", response) == TOP
            assert (record["tier"], record["gate"]["escalated_to"]) == ("frontier", "frontier")
            assert gate.asked() == {"deepseek": 1, "gemini": 1, "anthropic": 1}
            cost = record["cost"]
            assert cost["escalation"] > cost["frontier_baseline"]
            assert cost["total"] == pytest.approx(cost["first_attempt"] + cost["escalation"])


@pytest.mark.parametrize("stream", [False, True])
def test_a_poor_second_opinion_is_not_delivered_in_place_of_a_sound_answer(gate: GateProxy, stream: bool) -> None:
    prompt = "A second opinion is empty?"
    gate.kill(*FRONTIER_PROVIDERS)
    with gate.policy(gate={"escalate_to": "next"}):
        response = gate.ask("chat", prompt, stream=stream, stream_options={"include_usage": True} if stream else None)
        record = gate.record(response)
    assert text_of("chat", response) == ANSWERS[prompt][0][1]
    assert (record["tier"], record["gate"]["escalated_to"], record["causes"][-1]) == (
        "simple",
        None,
        "gate_escalation_failed",
    )
    assert response.headers["x-router-tier"] == "simple"
    usage = (events(response.text)[-1] if stream else response.json())["usage"]
    told = record["tokens"]
    assert (told["input"], told["output"]) == (usage["prompt_tokens"], usage["completion_tokens"])
    assert told["output"] > 0
    assert record["cost"]["escalation"] > 0
    assert record["cost"]["total"] == pytest.approx(record["cost"]["first_attempt"] + record["cost"]["escalation"])


@pytest.mark.parametrize("stream", [False, True])
def test_a_dead_middle_tier_is_stepped_over_truthfully(gate: GateProxy, stream: bool) -> None:
    gate.kill("gemini", "openai")
    with gate.policy(gate={"escalate_to": "next"}):
        response = gate.ask("chat", UNSURE, stream=stream)
        record = gate.record(response)
    assert text_of("chat", response) == TOP
    assert (record["tier"], record["model_group"]) == ("frontier", "tier-frontier")
    assert record["gate"]["escalated_to"] == "frontier"
    assert gate.asked()["anthropic"] == 1


def test_images_go_only_to_deployments_with_vision(gate: GateProxy) -> None:
    parts = [{"type": "text", "text": UNSURE}, {"type": "image_url", "image_url": {"url": PIXEL}}]
    with gate.policy(gate={"escalate_to": "next"}):
        response = gate.chat(parts)
    assert response.status_code == 200
    seen = gate.seen()
    assert not seen.get("hosted_vllm")
    assert not seen.get("deepseek")
    assert all(request["has_image"] for requests in seen.values() for request in requests)


@pytest.mark.parametrize("how", ["shadow", "disabled", "signals"])
def test_where_the_gate_is_off_nothing_is_judged(gate: GateProxy, how: str) -> None:
    changes = {
        "shadow": {"mode": "shadow", "default_tier": "simple"},
        "disabled": {"gate": {"enabled": False}},
        "signals": {"gate": {"overrides": [{"tier": "simple", "enabled": False}]}},
    }
    with gate.policy(**changes[how]):
        for stream in (False, True):
            response = gate.ask("chat", UNSURE, stream=stream)
            record = gate.record(response)
            assert text_of("chat", response) == CHEAP
            assert (record["gate"]["verdict"], record["gate"]["escalated_to"]) == ("bypass", None)
            assert response.headers["x-router-tier"] == "simple"
    assert not [r for r in gate.seen()["deepseek"] if "logprobs" in r["body_keys"]]


DOMAIN_PROMPTS = [
    "Which form do I need to report a capital gain on my tax return?",
    "How is goodwill impairment shown on the balance sheet?",
    "Can my landlord evict me without giving notice in the lease?",
    "Is a verbal contract enforceable in court?",
]


@pytest.mark.parametrize("stream", [False, True])
def test_finance_and_legal_never_touch_a_cheap_tier_nor_the_gate(gate: GateProxy, stream: bool) -> None:
    shipped = yaml.safe_load((ROOT / "routing_policy.yaml").read_text(encoding="utf-8"))
    with gate.policy(domains=shipped["domains"]):
        for prompt in DOMAIN_PROMPTS:
            response = gate.ask("chat", prompt, stream=stream)
            record = gate.record(response)
            assert record["domain"]["name"] in ("finance", "legal")
            assert (record["tier"], record["gate"]["verdict"], record["gate"]["mode"]) == ("frontier", "bypass", "off")
    assert set(gate.asked()) == {"anthropic"}
