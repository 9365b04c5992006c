"""Hits through the running proxy: every API, streamed and not; what is stored, and what is not."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from openai import OpenAI

from tests.e2e.cache_stack import ASKED, CALLS, SAID, CacheProxy, cache_of, text_of, usage_of
from tests.e2e.conftest import wait_until


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", CALLS)
def test_a_repeated_question_is_answered_from_the_cache(cache: CacheProxy, kind: str, stream: bool) -> None:
    first = cache.keep(kind, stream=stream)
    asked = cache.asked()
    second = cache.send(kind, stream=stream)
    assert cache_of(second) == "hit"
    assert cache.asked() == asked
    assert text_of(kind, second) == text_of(kind, first) == SAID
    assert second.headers["x-router-cache-id"] == cache.show()["shown"][0]["entry_id"]
    assert int(second.headers["x-router-cache-age"]) >= 0
    assert second.headers["x-router-tier"] == "simple"
    record = cache.record(second)
    assert record["cache"]["kind"] == "exact"
    assert record["cache"]["entry_id"] == second.headers["x-router-cache-id"]
    assert (record["model_group"], record["gate"]["verdict"]) == ("cache-hit", "bypass")
    assert (record["cost"]["total"], record["outcome"]["status"]) == (0.0, "ok")
    if (kind, stream) != ("completion", True):  # LiteLLM 1.106 loses the usage of streamed completions
        assert record["tokens"] == cache.record(first)["tokens"]
        assert record["cost"]["saved"] == record["cost"]["frontier_baseline"] > 0


@pytest.mark.parametrize("kind", CALLS)
def test_streamed_or_not_is_the_same_question(cache: CacheProxy, kind: str) -> None:
    first = cache.keep(kind, stream=False)
    streamed = cache.send(kind, stream=True)
    assert cache_of(streamed) == "hit"
    assert text_of(kind, streamed) == SAID
    assert usage_of(kind, cache.send(kind)) == usage_of(kind, first)


def test_the_apis_do_not_share_answers(cache: CacheProxy) -> None:
    for kind in CALLS:
        cache.keep(kind)
    assert cache.stored() == len(CALLS)


def test_the_official_client_reads_hits(cache: CacheProxy) -> None:
    cache.keep("chat")
    client = OpenAI(base_url=f"{cache.stack.url}/v1", api_key=cache.stack.master_key, max_retries=0)
    asked: Any = [{"role": "user", "content": ASKED}]
    whole = client.chat.completions.create(model="auto", messages=asked)
    assert (whole.choices[0].message.content, whole.choices[0].finish_reason) == (SAID, "stop")
    assert whole.usage is not None
    assert whole.usage.completion_tokens > 0
    chunks = list(
        client.chat.completions.create(
            model="auto", messages=asked, stream=True, stream_options={"include_usage": True}
        )
    )
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == SAID
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == ["stop"]
    assert [c.usage.completion_tokens for c in chunks if c.usage] == [whole.usage.completion_tokens]


def test_a_question_that_means_the_same_is_a_hit_and_one_that_does_not_is_not(cache: CacheProxy) -> None:
    cache.keep("chat", "What is the capital of France?")
    same = cache.send("chat", "What's the capital of France?")
    assert cache_of(same) == "hit"
    record = cache.record(same)["cache"]
    assert record["kind"] == "semantic"
    assert 0.9 < record["similarity"] < 1
    assert record["p_same"] >= 0.98
    other = cache.send("chat", "What is the capital of Finland?")
    assert cache_of(other) == "miss"
    refused = cache.record(other)["cache"]
    assert refused["guard"]
    assert refused["entry_id"] == record["entry_id"]
    assert other.headers["x-router-cache-id"] == "none"


@pytest.mark.parametrize(
    ("prompt", "options"),
    [
        ("A refused one?", {"max_tier": "simple"}),
        ("A cut one?", {"max_tier": "simple"}),
        ("A sure one?", {"max_tokens": 2}),
        ("A sure one?", {"n": 2}),
        ("A sure one?", {"temperature": 1.7}),
        ("A sure one?", {"logprobs": True}),
        ("A sure one?", {"tools": [{"type": "function", "function": {"name": "look", "parameters": {}}}]}),
    ],
)
def test_what_is_not_stored(cache: CacheProxy, prompt: str, options: dict[str, Any]) -> None:
    sent = {name: value for name, value in options.items() if name != "max_tier"}
    limits = {"callers": {"max_tier": options["max_tier"]}} if "max_tier" in options else {"conversations": {}}
    with cache.policy(**limits):
        cache.record(cache.send("chat", prompt, **sent))
        again = cache.send("chat", prompt, **sent)
        assert cache_of(again) != "hit"
        escalated = cache.record(again)["gate"]["escalated_to"]
    if escalated is None:
        assert cache.stored() == 0


def test_what_took_the_place_of_a_bad_answer_is_stored_and_not_the_bad_one(cache: CacheProxy) -> None:
    for stream in (False, True):
        first = cache.keep("chat", "An unsure one?", stream=stream)
        assert cache.record(first)["gate"]["escalated_to"] == "frontier"
        second = cache.send("chat", "An unsure one?")
        assert (cache_of(second), second.headers["x-router-tier"]) == ("hit", "frontier")
        assert "Lyon" not in second.text
        cache.drop()


@pytest.mark.parametrize(
    ("fault", "stream"), [("cut_stream", True), ("error_500", False), ("error_500", True), ("malformed_json", False)]
)
def test_an_answer_that_broke_is_not_stored(cache: CacheProxy, fault: str, stream: bool) -> None:
    cache.fault(fault, "deepseek", "hosted_vllm", "gemini", "openai", "anthropic")
    cache.send("chat", stream=stream)
    cache.idle()
    assert cache.stored() == 0


def test_a_stream_that_its_client_leaves_is_not_stored_and_a_hit_that_is_left_has_one_record(
    cache: CacheProxy,
) -> None:
    body = {"model": "auto", "messages": [{"role": "user", "content": ASKED}], "stream": True}
    for stored in (0, 1):
        with cache.http.stream("POST", "/v1/chat/completions", json=body) as response:
            request_id = response.headers["x-router-request-id"]
            assert response.headers["x-router-cache"] == ("hit" if stored else "miss")
            next(response.iter_raw(64))
        records = cache.records_of(request_id)
        assert len(records) == 1
        cache.idle()
        if stored:
            assert (records[0]["cache"]["status"], records[0]["cost"]["total"]) == ("hit", 0.0)
        else:
            cache.drop()
            cache.keep("chat")


@pytest.mark.parametrize(
    ("headers", "reads", "stores"),
    [
        ({"x-router-cache": "bypass"}, False, False),
        ({"x-router-cache": "refresh"}, False, True),
        ({"x-router-cache": "no-store"}, True, False),
        ({"cache-control": "no-cache"}, False, True),
        ({"cache-control": "no-store"}, True, False),
        ({"cache-control": "no-cache, no-store"}, False, False),
    ],
)
def test_what_callers_may_ask_of_the_cache(
    cache: CacheProxy, headers: dict[str, str], reads: bool, stores: bool
) -> None:
    cache.record(cache.send("chat", "A sure one?", headers=headers))
    cache.idle()
    if stores:
        wait_until(lambda: cache.stored() == 1)
    else:
        cache.keep("chat", "A sure one?")
    response = cache.send("chat", "A sure one?", headers=headers)
    assert cache_of(response) == ("hit" if reads else "bypass")
    with cache.policy(callers={"request_headers": []}):
        assert cache_of(cache.send("chat", "A sure one?", headers=headers)) == "hit"


@pytest.mark.parametrize("mode", ["shadow", "off"])
def test_shadow_and_off_serve_nothing(cache: CacheProxy, mode: str) -> None:
    cache.keep("chat")
    with cache.policy(mode=mode):
        response = cache.send("chat")
        assert cache_of(response) == "bypass"
        assert cache.record(response)["cache"]["guard"] == "mode"
    assert cache_of(cache.send("chat")) == "hit"


def test_a_higher_floor_does_not_get_a_cheaper_tiers_answer(cache: CacheProxy) -> None:
    cache.keep("chat")
    raised = cache.send("chat", headers={"x-router-tier": "frontier"})
    assert (cache_of(raised), raised.headers["x-router-tier"]) == ("miss", "frontier")


def test_an_api_that_promises_to_remember_its_answers_passes_by(cache: CacheProxy) -> None:
    for _ in range(2):
        response = cache.ask("responses", ASKED)
        assert cache_of(response) == "bypass"
    assert cache.record(response)["cache"]["guard"] == "stateful"


def test_a_burst_of_one_question_goes_upstream_once(cache: CacheProxy) -> None:
    async def burst() -> list[httpx.Response]:
        headers = {"Authorization": f"Bearer {cache.stack.master_key}"}
        body = {"model": "auto", "messages": [{"role": "user", "content": ASKED}]}
        async with httpx.AsyncClient(base_url=cache.stack.url, headers=headers, timeout=60, trust_env=False) as http:
            return await asyncio.gather(*(http.post("/v1/chat/completions", json=body) for _ in range(12)))

    responses = asyncio.run(burst())
    assert sorted(cache_of(response) for response in responses) == ["hit"] * 11 + ["miss"]
    assert sum(cache.asked().values()) == 1
    assert len({response.json()["choices"][0]["message"]["content"] for response in responses}) == 1


def test_the_first_of_a_burst_failing_fails_nobody_else(cache: CacheProxy) -> None:
    cache.fault("error_500", "deepseek", "hosted_vllm")

    async def burst() -> list[httpx.Response]:
        headers = {"Authorization": f"Bearer {cache.stack.master_key}"}
        body = {"model": "auto", "messages": [{"role": "user", "content": "A cut one?"}]}
        async with httpx.AsyncClient(base_url=cache.stack.url, headers=headers, timeout=60, trust_env=False) as http:
            return await asyncio.gather(*(http.post("/v1/chat/completions", json=body) for _ in range(6)))

    assert [response.status_code for response in asyncio.run(burst())] == [200] * 6


def test_nobody_gets_an_answer_by_naming_the_group(cache: CacheProxy) -> None:
    first = cache.keep("chat")
    request_id = first.headers["x-router-request-id"]
    entry_id = cache.show()["shown"][0]["entry_id"]
    for stream in (False, True):
        for metadata in ({}, {"tier_router_request": request_id}, {"tier_router_request": entry_id}):
            body = {"model": "cache-hit", "messages": [{"role": "user", "content": ASKED}], "stream": stream}
            forged = cache.http.post(
                "/v1/chat/completions", json={**body, "metadata": metadata, "litellm_metadata": metadata}
            )
            assert forged.status_code == 400
            assert SAID[:40] not in forged.text
    # Nor is the group rested for it, which would switch the cache off for everybody.
    named = {"model": "cache-hit", "messages": [{"role": "user", "content": "x"}]}
    for _ in range(8):
        assert cache.http.post("/v1/chat/completions", json=named).status_code == 400
    assert cache_of(cache.send("chat")) == "hit"


def test_health_and_metrics_tell_of_it(cache: CacheProxy) -> None:
    cache.keep("chat")
    assert cache_of(cache.send("chat")) == "hit"
    assert cache.health()["cache"]["entries"] == 1
    counted = 'tier_router_cache_requests_total{kind="exact",status="hit"}'
    wait_until(lambda: counted in cache.http.get("/router/metrics").text)
    text = cache.http.get("/router/metrics").text
    assert 'tier_router_cache_stored_total{outcome="stored"}' in text
    assert json.loads(json.dumps(cache.show()))["enabled"] is True
