from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from custom_router.simulator import Simulator
from tests.simulator.simulator_calls import http

USER = {"role": "user", "content": "hello"}


def send(sim: Simulator, body: bytes | dict[str, Any], path: str = "chat/completions") -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return http.post(f"{sim.api_base('deepseek')}/{path}", content=content)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"\xff\xfe\x00",
        b'{"model": NaN}',
        b"[" * 20_000,
        {},
        {"model": "m"},
        {"model": "", "messages": [USER]},
        {"model": 5, "messages": [USER]},
        {"model": "m", "messages": []},
        {"model": "m", "messages": "hello"},
        {"model": "m", "messages": ["hello"]},
        {"model": "m", "messages": [{"content": "hello"}]},
        {"model": "m", "messages": [{"role": "user", "content": 7}]},
        {"model": "m", "messages": [{"role": "user", "content": ["hello"]}]},
        {"model": "m", "messages": [USER], "n": 0},
        {"model": "m", "messages": [USER], "n": 10**30},
        {"model": "m", "messages": [USER], "max_tokens": -1},
        {"model": "m", "messages": [USER], "stop": 7},
        {"model": "m", "messages": [USER], "stream": "perhaps"},
        {"model": "m", "messages": [USER], "top_logprobs": 2},
        {"model": "m", "messages": [USER], "tools": [{"type": "function"}]},
        {"model": "m", "messages": [USER], "tools": ["hammer"]},
        {"model": "m", "messages": [USER], "response_format": {"type": "json_schema"}},
        {"model": "m", "messages": [USER], "response_format": {"type": "verse"}},
    ],
)
def test_a_bad_chat_body_is_a_400_in_openais_shape(sim: Simulator, body: bytes | dict[str, Any]) -> None:
    answer = send(sim, body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert answer.headers["x-simulated"] == "true"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("completions", {"model": "m"}),
        ("completions", {"model": "m", "prompt": []}),
        ("completions", {"model": "m", "prompt": {"a": 1}}),
        ("embeddings", {"model": "m", "input": []}),
        ("embeddings", {"model": "m", "input": "a", "dimensions": 0}),
        ("responses", {"model": "m", "input": 5}),
        ("responses", {"model": "m", "input": [{"content": "no role"}]}),
    ],
)
def test_a_bad_body_elsewhere_is_a_400(sim: Simulator, path: str, body: dict[str, Any]) -> None:
    assert send(sim, body, path).status_code == 400


def test_a_recursive_schema_without_an_end_is_refused(sim: Simulator) -> None:
    node = {"type": "object", "properties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}}, "required": ["a", "b"]}
    format_ = {"type": "json_schema", "json_schema": {"name": "node", "schema": node}}
    answer = send(sim, {"model": "m", "messages": [USER], "response_format": format_})
    assert answer.status_code == 400
    assert "schema" in answer.json()["error"]["message"]


def test_a_body_over_the_limit_is_a_413(sim: Simulator) -> None:
    limit = sim.config.max_body_bytes
    big = {"model": "m", "messages": [{"role": "user", "content": "x" * limit}]}
    answer = send(sim, big)
    assert answer.status_code == 413
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_lone_surrogates_pass_through(sim: Simulator) -> None:
    body = b'{"model": "m", "messages": [{"role": "user", "content": "half \\ud83d"}], "logprobs": true}'
    answer = send(sim, body)
    assert answer.status_code == 200
    assert answer.json()["choices"][0]["message"]["content"].startswith("[simulated m]")
    stream = send(sim, body[:-1] + b', "stream": true}')
    assert stream.text.rstrip().endswith("data: [DONE]")


def test_a_lone_surrogate_the_answer_repeats_leaves_escaped(sim: Simulator) -> None:
    schema = b'{"type": "object", "properties": {"a": {"const": "\\udc00"}}}'
    body = b'{"model": "m", "messages": [{"role": "user", "content": "x"}], "tools": [{"function": {"name": "\\udfff", '
    answer = send(sim, body + b'"parameters": ' + schema + b"}}]}")
    assert answer.json()["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "\udfff"


def test_an_unknown_path_or_method_is_told_in_openais_shape(sim: Simulator) -> None:
    missing = http.get(f"{sim.api_base('deepseek')}/teapots")
    assert missing.status_code == 404
    assert "teapots" in missing.json()["error"]["message"]
    assert http.get(f"{sim.api_base('deepseek')}/embeddings").status_code == 405
