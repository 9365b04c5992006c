from __future__ import annotations

import json
import math
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import openai
import pytest
from openai.types.chat import ChatCompletionChunk

from tests.simulator.simulator_calls import ask

WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "minLength": 2},
                "days": {"type": "integer", "minimum": 1, "maximum": 5},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            },
            "required": ["city", "days", "unit"],
            "additionalProperties": False,
        },
    },
}
TRIP_SCHEMA: Any = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "maxLength": 12},
        "legs": {
            "type": "array",
            "minItems": 1,
            "maxItems": 3,
            "items": {"$ref": "#/$defs/leg"},
        },
        "price": {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "null"}]},
        "starts": {"type": "string", "format": "date"},
    },
    "required": ["title", "legs", "price", "starts"],
    "additionalProperties": False,
    "$defs": {
        "leg": {
            "type": "object",
            "properties": {"to": {"type": "string"}, "next": {"anyOf": [{"$ref": "#/$defs/leg"}, {"type": "null"}]}},
            "required": ["to", "next"],
            "additionalProperties": False,
        }
    },
}


def stream(client: openai.OpenAI, **kwargs: Any) -> list[ChatCompletionChunk]:
    kwargs.setdefault("messages", [{"role": "user", "content": "How do suspension bridges carry load?"}])
    return list(client.chat.completions.create(model="plain", stream=True, **kwargs))


def test_a_plain_answer_says_that_it_is_simulated(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="plain", messages=[{"role": "user", "content": "How do suspension bridges carry load?"}]
    )
    answer = raw.parse()
    assert raw.headers["x-simulated"] == "true"
    assert answer.system_fingerprint == "simulated"
    assert answer.model == "plain"
    content = answer.choices[0].message.content
    assert content is not None
    assert content.startswith("[simulated plain] ")
    assert answer.choices[0].finish_reason == "stop"
    assert answer.choices[0].logprobs is None


def test_the_same_request_gets_the_same_answer_and_another_prompt_another(client: openai.OpenAI) -> None:
    first, again = ask(client, "About rivers"), ask(client, "About rivers")
    other = ask(client, "About mountains")
    assert first.choices[0].message.content == again.choices[0].message.content
    assert first.choices[0].message.content != other.choices[0].message.content
    assert first.id != again.id


def test_usage_grows_with_the_prompt_and_counts_every_choice(client: openai.OpenAI) -> None:
    short, long = ask(client, "word " * 20), ask(client, "word " * 200)
    assert short.usage is not None
    assert long.usage is not None
    assert short.usage.prompt_tokens == 25 + 3
    assert long.usage.prompt_tokens == 250 + 3
    assert short.usage.total_tokens == short.usage.prompt_tokens + short.usage.completion_tokens
    assert short.usage.prompt_tokens_details is not None
    assert short.usage.prompt_tokens_details.cached_tokens == 0
    three = ask(client, "word " * 20, n=3)
    texts = {choice.message.content for choice in three.choices}
    assert [choice.index for choice in three.choices] == [0, 1, 2]
    assert len(texts) == 3
    assert three.usage is not None
    assert three.usage.completion_tokens > short.usage.completion_tokens


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
def test_a_token_limit_cuts_the_answer(client: openai.OpenAI, limit: str) -> None:
    asked: Any = {limit: 5}
    answer = ask(client, **asked)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 5
    whole = ask(client).choices[0].message.content
    cut = answer.choices[0].message.content
    assert whole is not None
    assert cut is not None
    assert whole.startswith(cut)
    assert len(cut) < len(whole)


def test_stop_ends_the_answer_before_the_stop_text(client: openai.OpenAI) -> None:
    whole = ask(client).choices[0].message.content or ""
    answer = ask(client, stop=["never there", "."])
    assert answer.choices[0].message.content == whole.split(".")[0]
    assert answer.choices[0].finish_reason == "stop"


def test_a_stream_carries_the_plain_answer(client: openai.OpenAI) -> None:
    chunks = stream(client)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == ask(client).choices[0].message.content
    reasons = [chunk.choices[0].finish_reason for chunk in chunks]
    assert reasons[-1] == "stop"
    assert set(reasons[:-1]) == {None}
    assert {chunk.system_fingerprint for chunk in chunks} == {"simulated"}
    assert len({chunk.id for chunk in chunks}) == 1
    assert all(chunk.usage is None for chunk in chunks)


def test_a_stream_ends_with_usage_when_asked(client: openai.OpenAI) -> None:
    chunks = stream(client, stream_options={"include_usage": True}, n=2)
    last = chunks[-1]
    assert last.choices == []
    assert last.usage == ask(client, n=2).usage
    texts = ["", ""]
    for chunk in chunks[:-1]:
        texts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert texts == [choice.message.content for choice in ask(client, n=2).choices]


async def test_the_async_client_streams(client: openai.OpenAI) -> None:
    async with openai.AsyncOpenAI(base_url=client.base_url, api_key="unused", max_retries=0) as made:
        stream = await made.chat.completions.create(
            model="plain",
            messages=[{"role": "user", "content": "How do suspension bridges carry load?"}],
            stream=True,
        )
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert text == ask(client).choices[0].message.content


def test_tools_are_called_with_arguments_that_fit_then_answered_in_text(client: openai.OpenAI) -> None:
    messages: list[Any] = [{"role": "user", "content": "Weather in Lisbon for three days?"}]
    answer = client.chat.completions.create(model="plain", messages=messages, tools=[WEATHER])
    choice = answer.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    assert choice.message.tool_calls is not None
    call = choice.message.tool_calls[0]
    assert call.type == "function"
    jsonschema.validate(json.loads(call.function.arguments), WEATHER["function"]["parameters"])

    chunks = stream(client, messages=messages, tools=[WEATHER])
    calls = [delta for chunk in chunks for delta in chunk.choices[0].delta.tool_calls or []]
    assert calls[0].id == call.id
    pieces = [piece.function.arguments or "" for piece in calls if piece.function is not None]
    assert "".join(pieces) == call.function.arguments
    assert chunks[-1].choices[0].finish_reason == "tool_calls"

    messages += [choice.message.model_dump(exclude_none=True)]
    messages += [{"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
    final = client.chat.completions.create(model="plain", messages=messages, tools=[WEATHER]).choices[0]
    assert final.finish_reason == "stop"
    assert (final.message.content or "").startswith("[simulated plain]")


def test_tool_choice_decides(client: openai.OpenAI) -> None:
    other: Any = {"type": "function", "function": {"name": "send_mail", "parameters": {"type": "object"}}}
    assert ask(client, tools=[WEATHER], tool_choice="none").choices[0].message.tool_calls is None
    named = ask(client, tools=[WEATHER, other], tool_choice={"type": "function", "function": {"name": "send_mail"}})
    guessed = ask(client, "Please send this mail on", tools=[WEATHER, other])
    for answer in (named, guessed):
        calls = answer.choices[0].message.tool_calls
        assert calls is not None
        assert calls[0].type == "function"
        assert calls[0].function.name == "send_mail"


@pytest.mark.parametrize("prompt", ["Plan a trip", "旅行を計画して", "x" * 3000, ""])
def test_structured_output_fits_its_schema(client: openai.OpenAI, prompt: str) -> None:
    response_format = {"type": "json_schema", "json_schema": {"name": "trip", "schema": TRIP_SCHEMA, "strict": True}}
    answer = ask(client, prompt, response_format=response_format)
    jsonschema.validate(
        json.loads(answer.choices[0].message.content or ""),
        TRIP_SCHEMA,
        format_checker=jsonschema.FormatChecker(),
    )
    assert answer.system_fingerprint == "simulated"


def test_json_object_mode_answers_an_object(client: openai.OpenAI) -> None:
    answer = ask(client, response_format={"type": "json_object"})
    assert isinstance(json.loads(answer.choices[0].message.content or ""), dict)


def test_logprobs_cover_the_answer_token_by_token(client: openai.OpenAI) -> None:
    choice = ask(client, logprobs=True, top_logprobs=3).choices[0]
    assert choice.logprobs is not None
    content = choice.logprobs.content or []
    assert "".join(entry.token for entry in content) == choice.message.content
    for entry in content:
        assert bytes(entry.bytes or []).decode() == entry.token
        assert entry.top_logprobs[0].token == entry.token
        assert len(entry.top_logprobs) == 3
        values = [top.logprob for top in entry.top_logprobs]
        assert values == sorted(values, reverse=True)
        assert sum(map(math.exp, values)) <= 1.0 + 1e-6

    streamed = [c.choices[0].logprobs for c in stream(client, logprobs=True, top_logprobs=3)]
    assert [e for logprobs in streamed if logprobs for e in logprobs.content or []] == content


def test_a_model_without_logprobs_or_vision_refuses_them(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="logprobs") as refused:
        ask(client, model="shy", logprobs=True)
    assert refused.value.param == "logprobs"
    image: Any = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    ]
    with pytest.raises(openai.BadRequestError, match="images"):
        client.chat.completions.create(model="blind", messages=[{"role": "user", "content": image}])
    answer = client.chat.completions.create(model="plain", messages=[{"role": "user", "content": image}])
    assert answer.usage is not None
    assert answer.usage.prompt_tokens > 85
