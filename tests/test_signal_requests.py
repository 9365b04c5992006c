"""Whose refusal of log probabilities counts, and for how long."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from custom_router.confidence.self_check import SELF_CHECK_PARAMETERS
from custom_router.deployments import Deployment
from custom_router.litellm_adapter.deployments import DeploymentTable
from custom_router.litellm_adapter.reading import TOKEN
from custom_router.litellm_adapter.signal_requests import SignalRequests
from custom_router.litellm_adapter.upstream import ACCOUNT
from custom_router.policy import Policy

CALL = {"model": "m", "messages": [{"role": "user", "content": "Which city?"}], "model_info": {"id": "d"}}
OURS = {"metadata": {TOKEN: "t"}}


class Refused(Exception):
    def __init__(self, text: str = "Model 'm' does not support logprobs.", status: int = 400) -> None:
        super().__init__(text)
        self.status_code = status


@pytest.fixture
def table() -> DeploymentTable:
    table = DeploymentTable()
    table._by_id["d"] = Deployment(
        "g", "d", "openai/gpt-4o", "openai", 1, None, False, None, None, {"supports_logprobs": True}, {}
    )
    return table


@pytest.fixture
def signals(table: DeploymentTable) -> SignalRequests:
    document = Policy.safe("x").document
    ticket = SimpleNamespace(policy=SimpleNamespace(document=document), asked_logprobs=set(), structured=set())
    desk = SimpleNamespace(deployments=table, gated=lambda kwargs: (None, ticket), may_judge=lambda *_: True)
    return SignalRequests(cast(Any, desk))


def attempt(signals: SignalRequests, kind: str, error: Exception, **call: Any) -> None:
    kwargs = {**CALL, **OURS, **call}
    signals.refused(signals.ask(kwargs, kind) or kwargs, error)


@pytest.mark.parametrize("status", [400, 403, 422])
@pytest.mark.parametrize("kind", ["acompletion", "atext_completion", "aresponses"])
def test_a_deployment_that_refuses_what_the_gate_added_is_left_alone_for_a_while(
    signals: SignalRequests, table: DeploymentTable, kind: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert table.logprobs_of("d")
    attempt(signals, kind, Refused(status=status))
    assert not table.logprobs_of("d")
    table._refused.expire(time=float("inf"))
    assert table.logprobs_of("d"), "it is asked again in time"


@pytest.mark.parametrize(
    "call",
    [
        {"logprobs": True},
        {"logprobs": True, "top_logprobs": 99},
        {"top_logprobs": 99},
        {"messages": [{"role": "user", "content": "What are logprobs?"}]},
        {"my_logprob": 1},
        {"user": "logprobs"},
    ],
)
def test_what_a_client_brings_about_itself_blinds_nobody(
    signals: SignalRequests, table: DeploymentTable, call: dict[str, Any]
) -> None:
    attempt(signals, "acompletion", Refused("Invalid top_logprobs value: it is beyond 20."), **call)
    assert table.logprobs_of("d")


def test_a_client_that_asks_for_log_probabilities_of_a_response_itself(
    signals: SignalRequests, table: DeploymentTable
) -> None:
    for include in (["message.output_text.logprobs"], ["message.logprob"]):
        attempt(signals, "aresponses", Refused("Invalid include: logprobs"), include=include)
        assert table.logprobs_of("d")


@pytest.mark.parametrize("error", [Refused(status=500), Refused("context too long"), ValueError("logprobs")])
def test_other_failures_say_nothing_of_log_probabilities(
    signals: SignalRequests, table: DeploymentTable, error: Exception
) -> None:
    attempt(signals, "acompletion", error)
    assert table.logprobs_of("d")


def test_a_refused_self_check_counts_too(signals: SignalRequests, table: DeploymentTable) -> None:
    account = {"metadata": {ACCOUNT: {"token": "t", "purpose": "judgement"}}}
    signals.refused({**CALL, **account, **SELF_CHECK_PARAMETERS}, Refused())
    assert not table.logprobs_of("d")
