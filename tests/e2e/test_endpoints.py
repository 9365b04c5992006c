"""Every endpoint, streamed and not: headers, exactly one record, and an answer the official clients accept."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from openai import OpenAI

from tests.e2e.conftest import Proxy

HEADERS = {
    "x-router-tier", "x-router-cause", "x-router-complexity", "x-router-confidence", "x-router-escalated",
    "x-router-domain", "x-router-cache", "x-router-cache-id", "x-router-cache-age", "x-router-policy",
    "x-router-request-id", "x-router-overhead-ms",
}  # fmt: skip
RECORD_KEYS = {
    "request_id", "time", "policy_version", "entry_model", "call_type", "stream", "tenant", "domain", "scores", "tier",
    "model_group", "deployment", "causes", "cache", "gate", "experiment", "latency_ms", "tokens", "cost", "outcome",
}  # fmt: skip
PROMPT = "Name three colours of autumn leaves."
USER = [{"role": "user", "content": PROMPT}]
REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", {"messages": USER}),
    "completion": ("/v1/completions", {"prompt": PROMPT}),
    "responses": ("/v1/responses", {"input": PROMPT}),
    "messages": ("/v1/messages", {"max_tokens": 64, "messages": USER}),
}


def routed(headers: httpx.Headers) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.startswith("x-router-")}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("call_type", REQUESTS)
def test_headers_and_exactly_one_record(fresh: Proxy, call_type: str, stream: bool) -> None:
    path, body = REQUESTS[call_type]
    response = fresh.http.post(path, json={"model": "auto", "stream": stream, **body})
    assert response.status_code == 200, response.text
    assert set(routed(response.headers)) == HEADERS
    records = fresh.records_of(response.headers["x-router-request-id"])
    assert len(records) == 1
    record = records[0]
    assert record.keys() >= RECORD_KEYS
    assert (record["call_type"], record["stream"]) == (call_type, stream)
    assert record["outcome"]["status"] == "ok"
    assert record["tier"] == response.headers["x-router-tier"]
    assert ",".join(record["causes"]) == response.headers["x-router-cause"]
    assert record["tokens"]["input"] > 0
    assert record["tokens"]["output"] > 0
    assert record["cost"]["total"] > 0
    assert record["cost"]["saved"] == pytest.approx(record["cost"]["frontier_baseline"] - record["cost"]["total"])
    assert ("ttft" in record["latency_ms"]) == stream
    assert record["deployment"]
    assert record["text"] is None
    assert PROMPT not in json.dumps(record)


def test_a_streamed_completion_tells_its_usage_to_who_asks(fresh: Proxy) -> None:
    body = {"model": "auto", "prompt": PROMPT, "stream": True}
    told = []
    for asked in ({}, {"stream_options": {"include_usage": True}}):
        response = fresh.http.post("/v1/completions", json={**body, **asked})
        lines = (line[5:].strip() for line in response.text.splitlines() if line.startswith("data:"))
        chunks = [json.loads(line) for line in lines if line != "[DONE]"]
        told.append([chunk["usage"] for chunk in chunks if chunk.get("usage")])
        record = fresh.records_of(response.headers["x-router-request-id"])[0]
    assert told[0] == []
    (usage,) = told[1]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (
        record["tokens"]["input"],
        record["tokens"]["output"],
    )


def test_the_provider_that_was_asked_is_the_tiers_first_choice(fresh: Proxy) -> None:
    response = fresh.chat("What is the capital of Norway?")
    group = fresh.records_of(response.headers["x-router-request-id"])[0]["model_group"]
    first = {"tier-simple": "deepseek", "tier-medium": "gemini", "tier-frontier": "anthropic"}[group]
    assert [len(requests) for name, requests in fresh.seen().items() if requests and name == first] == [1]


def test_official_client_streams_with_usage(fresh: Proxy) -> None:
    client = OpenAI(base_url=f"{fresh.stack.url}/v1", api_key=fresh.stack.master_key, max_retries=0)
    chunks = list(
        client.chat.completions.create(
            model="auto",
            messages=USER,
            stream=True,
            stream_options={"include_usage": True},  # type: ignore[arg-type]
        )
    )
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text.startswith("[simulated ")
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == ["stop"]
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens > 0


def test_tools_and_json_mode_pass_through(fresh: Proxy) -> None:
    tool = {
        "type": "function",
        "function": {
            "name": "clock",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
    called = fresh.chat("What time is it in Rome?", tools=[tool]).json()["choices"][0]
    assert called["finish_reason"] == "tool_calls"
    assert "city" in json.loads(called["message"]["tool_calls"][0]["function"]["arguments"])
    answered = fresh.chat("Give a colour as JSON.", response_format={"type": "json_object"}).json()
    assert isinstance(json.loads(answered["choices"][0]["message"]["content"]), dict)


def test_images_never_reach_a_deployment_without_vision(fresh: Proxy) -> None:
    pixel = (
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"
        "AAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg=="
    )
    fresh.kill("deepseek")
    parts = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": pixel}}]
    response = fresh.chat(parts)
    assert response.status_code == 200
    assert response.headers["x-router-tier"] != "simple"
    seen = fresh.seen()
    assert not seen.get("hosted_vllm")
    assert any(request["has_image"] for requests in seen.values() for request in requests)


def test_a_client_that_leaves_mid_stream_leaves_one_record(fresh: Proxy) -> None:
    fresh.fault("slow_first_token", "deepseek", "gemini", "anthropic")
    body = {"model": "auto", "stream": True, "messages": USER}
    with (
        pytest.raises(httpx.ReadTimeout),
        fresh.http.stream("POST", "/v1/chat/completions", json=body, timeout=1.0) as response,
    ):
        response.read()
    before = {record["request_id"] for record in fresh.records()}
    fresh.reset()
    answered = fresh.chat("Are you still there?")
    assert answered.status_code == 200
    assert len(fresh.records_of(answered.headers["x-router-request-id"])) == 1
    ids = [record["request_id"] for record in fresh.records()]
    assert len(ids) == len(set(ids))
    assert before <= set(ids)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("call_type", REQUESTS)
def test_other_models_pass_through_untouched(proxy: Proxy, bare: Proxy, call_type: str, stream: bool) -> None:
    path, body = REQUESTS[call_type]
    answers = []
    for side in (proxy, bare):
        side.reset()
        response = side.http.post(path, json={"model": "tier-frontier", "stream": stream, **body})
        assert response.status_code == 200, response.text
        assert routed(response.headers) == {}
        sent = [r["body_keys"] for requests in side.seen().values() for r in requests]
        answers.append((comparable(response.text), sent))
    assert answers[0] == answers[1]
    # Records are written in the order of their requests' ends: with this one's on disk, theirs would be too.
    proxy.records_of(proxy.chat().headers["x-router-request-id"])
    assert {record["entry_model"] for record in proxy.records()} == {"auto"}


def comparable(text: str) -> list[Any]:
    """A response's bytes without what differs between any two requests: ids and times that LiteLLM makes up."""
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith(("data: ", "{"))]
    return [scrub(json.loads(line)) if line.startswith("{") else line for line in lines]


def scrub(value: Any) -> Any:
    if isinstance(value, dict):
        volatile = {"id", "created", "created_at", "item_id", "completed_at"}
        return {key: "*" if key in volatile else scrub(item) for key, item in value.items()}
    return [scrub(item) for item in value] if isinstance(value, list) else value


def test_metadata_for_litellms_own_loggers_and_metrics(fresh: Proxy) -> None:
    assert fresh.chat("Spell the word rhythm.").status_code == 200
    metrics = fresh.http.get("/router/metrics").text
    for name in ("tier_router_decisions_total", "tier_router_requests_total", "tier_router_overhead_seconds_bucket"):
        assert name in metrics
