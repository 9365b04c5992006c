"""The usage that the simulator reports: prompts read from and written to a cache, and thinking."""

from __future__ import annotations

import json
from typing import Any

import pytest

from custom_router.simulator import Simulator
from custom_router.simulator.prompt_cache import LEAST_TOKENS, STEP_TOKENS, PromptCache, cacheable
from tests.simulator.simulator_calls import http

LONG = "Every word of this long instruction counts towards the prompt that is cached. " * 80


def post(sim: Simulator, path: str, **body: Any) -> dict[str, Any]:
    given = http.post(f"{sim.url}/v1/{path}", json={"model": "plain", **body})
    assert given.status_code == 200, given.text
    usage = given.json()["usage"]
    assert isinstance(usage, dict)
    return usage


def test_a_prompt_is_cached_as_far_as_it_begins_alike_in_whole_steps() -> None:
    cache = PromptCache()
    assert cache.read("m", LONG) == 0
    assert cache.read("m", LONG) == cacheable(len(LONG) // 4) > 1_024
    assert cache.read("m", LONG + "And one more question.") == cacheable(len(LONG) // 4)
    assert cache.read("m", "X" + LONG) == 0, "another beginning"
    assert cache.read("other", LONG) == 0, "another model"
    cut = LONG[: 4 * LEAST_TOKENS - 1]
    assert cache.read("m", cut) == 0, "too short to be cached"
    assert cacheable(LEAST_TOKENS + STEP_TOKENS - 1) == LEAST_TOKENS


@pytest.mark.parametrize("path", ["chat/completions", "completions"])
def test_openais_usage_counts_cached_tokens_among_the_prompts(sim: Simulator, path: str) -> None:
    text = path + LONG
    prompt = {"prompt": text} if path == "completions" else {"messages": [{"role": "user", "content": text}]}
    first, second = (post(sim, path, **prompt) for _ in range(2))
    assert first["prompt_tokens_details"]["cached_tokens"] == 0
    assert second["prompt_tokens_details"]["cached_tokens"] >= LEAST_TOKENS
    assert second["prompt_tokens"] == first["prompt_tokens"] > second["prompt_tokens_details"]["cached_tokens"]


def test_anthropics_usage_counts_them_apart_and_only_where_asked(sim: Simulator) -> None:
    marked = [{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}}]
    body = {"max_tokens": 50, "messages": [{"role": "user", "content": "And now?"}]}
    plain = [post(sim, "messages", system=LONG, **body) for _ in range(2)]
    assert [told["cache_read_input_tokens"] + told["cache_creation_input_tokens"] for told in plain] == [0, 0]
    wrote, read = (post(sim, "messages", system=marked, **body) for _ in range(2))
    assert wrote["cache_read_input_tokens"] == 0
    assert wrote["cache_creation_input_tokens"] >= LEAST_TOKENS
    assert read["cache_read_input_tokens"] >= LEAST_TOKENS
    for told in (wrote, read):
        counted = told["input_tokens"] + told["cache_read_input_tokens"] + told["cache_creation_input_tokens"]
        assert counted == plain[0]["input_tokens"]


def test_a_streamed_message_is_the_plain_one_in_pieces(sim: Simulator) -> None:
    body = {"model": "plain", "max_tokens": 50, "messages": [{"role": "user", "content": "How do bridges carry load?"}]}
    whole = http.post(f"{sim.url}/v1/messages", json=body).json()
    streamed = http.post(f"{sim.url}/v1/messages", json={**body, "stream": True}).text
    events = [json.loads(line[5:]) for line in streamed.splitlines() if line.startswith("data:")]
    assert [events[0]["type"], events[-1]["type"]] == ["message_start", "message_stop"]
    pieces = [event["delta"]["text"] for event in events if event["type"] == "content_block_delta"]
    assert "".join(pieces) == whole["content"][0]["text"]
    assert events[-2]["usage"]["output_tokens"] == whole["usage"]["output_tokens"]
