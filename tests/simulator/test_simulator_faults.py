from __future__ import annotations

from typing import Any

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionChunk

from custom_router.simulator import Simulator
from tests.simulator.simulator_calls import ask, http, seen


def post(sim: Simulator, path: str, **body: Any) -> httpx.Response:
    return http.post(f"{sim.url}/_sim/{path}", json=body)


def with_fault(name: str) -> dict[str, Any]:
    return {"extra_headers": {"x-sim-fault": name}}


@pytest.mark.parametrize("fault", ["refuse", "cut_stream"])
def test_a_closed_connection_is_a_connection_error(client: openai.OpenAI, fault: str) -> None:
    with pytest.raises(openai.APIConnectionError) as failed:
        ask(client, **with_fault(fault))
    assert not isinstance(failed.value, openai.APITimeoutError)
    assert isinstance(failed.value.__cause__, httpx.RemoteProtocolError)
    assert ask(client).choices


def test_a_hang_lasts_until_the_client_gives_up(client: openai.OpenAI) -> None:
    with pytest.raises(openai.APITimeoutError):
        ask(client, timeout=0.3, **with_fault("hang"))


def test_a_slow_first_token_is_late_and_then_right(client: openai.OpenAI) -> None:
    with pytest.raises(openai.APITimeoutError):
        ask(client, timeout=0.1, **with_fault("slow_first_token"))
    late = ask(client, **with_fault("slow_first_token"))
    assert late.choices[0].message.content == ask(client).choices[0].message.content


def test_a_rate_limit_says_when_to_come_back(client: openai.OpenAI) -> None:
    with pytest.raises(openai.RateLimitError) as limited:
        ask(client, **with_fault("rate_limit"))
    assert limited.value.response.headers["retry-after"] == "7"
    assert limited.value.code == "rate_limit_exceeded"


def test_a_server_error_is_a_server_error(client: openai.OpenAI) -> None:
    with pytest.raises(openai.InternalServerError):
        ask(client, **with_fault("error_500"))


def test_malformed_json_comes_with_status_200(sim: Simulator, client: openai.OpenAI) -> None:
    body = {"model": "plain", "messages": [{"role": "user", "content": "hello"}]}
    headers = {"x-sim-fault": "malformed_json"}
    answer = http.post(f"{sim.api_base('deepseek')}/chat/completions", json=body, headers=headers)
    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r"."):
        answer.json()
    stream = client.chat.completions.create(
        model="plain", messages=[{"role": "user", "content": "hello"}], stream=True, extra_headers=headers
    )
    with pytest.raises(ValueError, match=r"."):
        list(stream)


def test_a_cut_stream_breaks_after_its_first_half(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="plain", messages=[{"role": "user", "content": "hello"}], stream=True, **with_fault("cut_stream")
    )
    chunks: list[ChatCompletionChunk] = []
    with pytest.raises(httpx.RemoteProtocolError):
        chunks.extend(stream)
    assert chunks
    assert all(chunk.choices[0].finish_reason is None for chunk in chunks)


def test_an_unknown_fault_is_named(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="slow_first_token"):
        ask(client, **with_fault("earthquake"))


def test_a_rule_holds_for_one_provider_after_so_many_requests(sim: Simulator, client: openai.OpenAI) -> None:
    post(sim, "faults", provider="deepseek", fault="error_500", after=2).raise_for_status()
    for _ in range(2):
        ask(client)
    for _ in range(2):
        with pytest.raises(openai.InternalServerError):
            ask(client)
    with openai.OpenAI(base_url=sim.api_base("vllm"), api_key="unused", max_retries=0) as other:
        ask(other)
    assert seen(sim)["deepseek"]["faults"] == {"error_500": 2}
    http.delete(f"{sim.url}/_sim/faults").raise_for_status()
    assert ask(client).choices


def test_a_probability_fails_some_requests(sim: Simulator, client: openai.OpenAI) -> None:
    post(sim, "faults", provider="deepseek", fault="rate_limit", probability=0.5)
    failed = 0
    for _ in range(40):
        try:
            ask(client)
        except openai.RateLimitError:
            failed += 1
    assert 5 < failed < 35


def test_a_killed_provider_is_dead_until_revived_and_the_others_live(sim: Simulator, client: openai.OpenAI) -> None:
    ask(client)
    post(sim, "kill", provider="deepseek").raise_for_status()
    for call in (lambda: ask(client), lambda: client.models.list()):
        with pytest.raises(openai.APIConnectionError):
            call()
    with openai.OpenAI(base_url=sim.api_base("vllm"), api_key="unused", max_retries=0) as other:
        ask(other)
    assert http.get(f"{sim.url}/_sim/health").json()["dead"] == ["deepseek"]
    assert seen(sim)["deepseek"]["faults"] == {"killed": 2}
    post(sim, "revive", provider="deepseek").raise_for_status()
    assert ask(client).choices


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"provider": "a", "fault": "earthquake"},
        {"provider": "a", "fault": "hang", "probability": 2},
        {"provider": "a", "fault": "hang", "sometimes": True},
    ],
)
def test_a_wrong_rule_is_refused(sim: Simulator, body: dict[str, Any]) -> None:
    assert post(sim, "faults", **body).status_code == 400
    assert http.get(f"{sim.url}/_sim/faults").json()["faults"] == []
