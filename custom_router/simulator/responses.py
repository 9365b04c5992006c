"""`POST responses`: what LiteLLM sends upstream for an `openai/` deployment called through `/v1/responses`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from custom_router.simulator.answers import Answer
from custom_router.simulator.content import read_format, read_tools
from custom_router.simulator.errors import ApiError
from custom_router.simulator.request import Ask, Thread, validate
from custom_router.simulator.wire import Json, new_id, token_logprobs

_LOGPROBS = "message.output_text.logprobs"


class TextOptions(BaseModel):
    format: dict[str, Any] | None = None


class ResponsesBody(BaseModel):
    """The part of the request that changes the answer; the rest is echoed where the answer has a place for it."""

    model_config = ConfigDict(extra="allow")

    model: str = Field(min_length=1)
    input: str | list[dict[str, Any]] = Field(min_length=1)
    instructions: str | None = None
    stream: bool | None = None
    max_output_tokens: int | None = Field(default=None, ge=1)
    include: list[str] | None = None
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    text: TextOptions | None = None


def parse_responses(body: dict[str, Any]) -> Ask:
    """A responses request. Raises a 400 `ApiError`."""
    request = validate(ResponsesBody, body)
    thread = Thread()
    if request.instructions:
        thread.add("system", request.instructions, "instructions")
    items = [{"role": "user", "content": request.input}] if isinstance(request.input, str) else request.input
    for index, item in enumerate(items):
        kind, role = item.get("type", "message"), item.get("role")
        if kind == "function_call_output":
            thread.add("tool", item.get("output"), f"input[{index}].output")
        elif kind == "message" and isinstance(role, str):
            thread.add(role, item.get("content"), f"input[{index}].content")
        elif kind == "message":
            raise ApiError(400, f"Missing 'input[{index}].role'.", param=f"input[{index}].role")
    json_mode, schema = read_format(request.text.format if request.text else None, nested=False)
    return Ask(
        model=request.model,
        prompt=thread.prompt,
        prompt_tokens=thread.prompt_tokens,
        context="\n".join(thread.texts),
        has_image=thread.images > 0,
        after_tool=thread.after_tool,
        tools=read_tools(request.tools, request.tool_choice, nested=False),
        json_mode=json_mode,
        schema=schema,
        max_tokens=request.max_output_tokens,
        stream=bool(request.stream),
        logprobs=_LOGPROBS in (request.include or []),
        top_logprobs=request.top_logprobs or 0,
    )


def response_body(ask: Ask, answer: Answer, body: Json) -> Json:
    """The finished response object."""
    cut = answer.finish_reason == "length"
    head = _head(ask, body)
    return {
        **head,
        "status": "incomplete" if cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "output": [_item(ask, answer, new_id("msg"), done=True)],
        "usage": _usage(ask, answer),
    }


def response_events(ask: Ask, answer: Answer, body: Json) -> Iterator[Json]:
    """The typed events of a streamed response, numbered in order."""
    for number, event in enumerate(_events(ask, answer, body)):
        yield {**event, "sequence_number": number}


def _events(ask: Ask, answer: Answer, body: Json) -> Iterator[Json]:
    finished = response_body(ask, answer, body)
    started = {**finished, "status": "in_progress", "incomplete_details": None, "output": [], "usage": None}
    item = finished["output"][0]
    yield {"type": "response.created", "response": started}
    yield {"type": "response.in_progress", "response": started}
    opened = _item(ask, answer, item["id"], done=False)
    yield {"type": "response.output_item.added", "output_index": 0, "item": opened}
    place = {"item_id": item["id"], "output_index": 0}
    if answer.tool is not None:
        for token in answer.tokens:
            yield {"type": "response.function_call_arguments.delta", **place, "delta": token}
        done = {"name": answer.tool.name, "arguments": answer.text}
        yield {"type": "response.function_call_arguments.done", **place, **done}
    else:
        place["content_index"] = 0
        yield {"type": "response.content_part.added", **place, "part": _part(ask, answer, done=False)}
        for index, token in enumerate(answer.tokens):
            logprobs = token_logprobs(answer, ask.top_logprobs, index, index + 1)
            yield {"type": "response.output_text.delta", **place, "delta": token, "logprobs": logprobs}
        part = _part(ask, answer, done=True)
        text = {"text": answer.text, "logprobs": part["logprobs"]}
        yield {"type": "response.output_text.done", **place, **text}
        yield {"type": "response.content_part.done", **place, "part": part}
    yield {"type": "response.output_item.done", "output_index": 0, "item": item}
    yield {"type": f"response.{finished['status']}", "response": finished}


def _head(ask: Ask, body: Json) -> Json:
    return {
        "id": new_id("resp"),
        "object": "response",
        "created_at": int(time.time()),
        "model": ask.model,
        "error": None,
        "instructions": body.get("instructions"),
        "metadata": body.get("metadata") or {"simulated": "true"},
        "parallel_tool_calls": bool(body.get("parallel_tool_calls", True)),
        "temperature": body.get("temperature"),
        "top_p": body.get("top_p"),
        "tools": body.get("tools") or [],
        "tool_choice": body.get("tool_choice") or "auto",
        "max_output_tokens": ask.max_tokens,
        "previous_response_id": body.get("previous_response_id"),
        "text": body.get("text") or {"format": {"type": "text"}},
    }


def _item(ask: Ask, answer: Answer, item_id: str, *, done: bool) -> Json:
    status = ("incomplete" if answer.finish_reason == "length" else "completed") if done else "in_progress"
    head = {"id": item_id, "status": status}
    if answer.tool is not None:
        arguments = answer.text if done else ""
        call = {"call_id": answer.tool.id, "name": answer.tool.name, "arguments": arguments}
        return {**head, "type": "function_call", **call}
    content = [_part(ask, answer, done=True)] if done else []
    return {**head, "type": "message", "role": "assistant", "content": content}


def _part(ask: Ask, answer: Answer, *, done: bool) -> Json:
    text = answer.text if done else ""
    logprobs = token_logprobs(answer, ask.top_logprobs, 0, len(answer.tokens)) if done else []
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": logprobs}


def _usage(ask: Ask, answer: Answer) -> Json:
    output = len(answer.tokens) + ask.reasoning_tokens
    return {
        "input_tokens": ask.prompt_tokens,
        "input_tokens_details": {"cached_tokens": ask.cached_tokens},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": ask.reasoning_tokens},
        "total_tokens": ask.prompt_tokens + output,
    }
