"""Signals that are off by default, through the real proxy: a confidence beside the answer, the model's own check."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import yaml

from tests.e2e.gate_stack import ANSWERS, TOP, GateProxy, text_of


@contextmanager
def simple_tier(gate: GateProxy, group: str, signal: str, **changes: object) -> Iterator[None]:
    """The simple tier is this model group, and the gate reads this signal too."""
    tiers = yaml.safe_load(gate.stack.policy.read_text(encoding="utf-8"))["tiers"]
    simple = {"simple": {**tiers["simple"], "model": f"tier-{group}"}}
    with gate.policy(tiers={**tiers, **simple}, gate={"signals": ["logprobs", "text", signal]}, **changes):
        yield


@pytest.mark.parametrize("stream", [False, True])
def test_a_confidence_beside_the_answer_is_read_and_never_seen(gate: GateProxy, stream: bool) -> None:
    with simple_tier(gate, "plain", "structured"):
        sure = gate.ask("chat", "A wrapped sure one?", stream=stream)
        unsure = gate.ask("chat", "A wrapped unsure one?", stream=stream)
        other = gate.ask("chat", "A wrapped one that goes on?", stream=stream)
        records = [gate.record(response) for response in (sure, unsure, other)]
    assert [text_of("chat", response) for response in (sure, unsure, other)] == ["Paris, of course.", TOP, TOP]
    assert [record["gate"]["verdict"] for record in records] == ["trust", "escalate", "escalate"]
    assert [record["causes"][-1] for record in records[1:]] == ["gate_low_confidence", "gate_failure"]
    assert records[0]["gate"]["source"].endswith("verbal"), records[0]["gate"]
    asked = [request for requests in gate.seen().values() for request in requests if request["model"] == "plain"]
    assert [request["body_keys"].count("response_format") for request in asked] == [1, 1, 1]


@pytest.mark.parametrize("stream", [False, True])
def test_where_the_better_answer_fails_no_text_is_lost(gate: GateProxy, stream: bool) -> None:
    prompt = "A wrapped one that goes on?"
    gate.kill("anthropic", "openai")
    with simple_tier(gate, "plain", "structured"):
        response = gate.ask("chat", prompt, stream=stream)
        assert gate.record(response)["causes"][-1] == "gate_escalation_failed"
    assert text_of("chat", response) == ANSWERS[prompt][0][1]


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_is_delivered_anyway_is_asked_for_plainly(gate: GateProxy, stream: bool) -> None:
    """A capped caller's: no better model could answer in place of one in another form."""
    with simple_tier(gate, "plain", "structured", callers={"max_tier": "simple"}):
        gate.record(gate.ask("chat", "A wrapped sure one?", stream=stream))
    asked = [request for requests in gate.seen().values() for request in requests if request["model"] == "plain"]
    assert ["response_format" in request["body_keys"] for request in asked] == [False]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("group", "prompt", "verdict"),
    [("checked", "An unsure one?", "trust"), ("doubted", "A sure one?", "escalate")],
)
def test_a_models_own_check_decides_where_only_wording_was_measured(
    gate: GateProxy, group: str, prompt: str, verdict: str, stream: bool
) -> None:
    with simple_tier(gate, group, "self_check"):
        response = gate.ask("chat", prompt, stream=stream)
        record = gate.record(response)
    assert record["gate"]["verdict"] == verdict
    assert text_of("chat", response) == (ANSWERS[prompt][0][1] if verdict == "trust" else TOP)
    assert record["gate"]["source"].endswith("p_true_logprob"), record["gate"]
    asked = [request["model"] for request in gate.seen()["deepseek"]]
    assert asked == [group, group], "for its answer, and for one token about it"
    assert record["cost"]["total"] > record["cost"]["first_attempt"] + record["cost"]["escalation"]
