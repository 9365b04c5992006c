"""`POST messages`: plain text as Anthropic's API takes and gives it, with a prompt cache that the request asks for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from custom_router.simulator.answers import Answer
from custom_router.simulator.request import Ask, Thread, validate
from custom_router.simulator.wire import Json, new_id

_STOP = {"length": "max_tokens"}


class MessagesBody(BaseModel):
    """The part of the request that changes the answer."""

    model_config = ConfigDict(extra="allow")

    model: str = Field(min_length=1)
    messages: list[dict[str, Any]] = Field(min_length=1)
    max_tokens: int = Field(ge=1)
    system: str | list[dict[str, Any]] | None = None
    stream: bool | None = None
    stop_sequences: list[str] | None = None


def parse_messages(body: dict[str, Any]) -> Ask:
    """A messages request. Raises a 400 `ApiError`."""
    request = validate(MessagesBody, body)
    thread = Thread()
    if request.system:
        thread.add("system", request.system, "system")
    for index, message in enumerate(request.messages):
        thread.add(str(message.get("role")), message.get("content"), f"messages[{index}].content")
    return Ask(
        model=request.model,
        prompt=thread.prompt,
        prompt_tokens=thread.prompt_tokens,
        context="\n".join(thread.texts),
        has_image=thread.images > 0,
        max_tokens=request.max_tokens,
        stop=tuple(request.stop_sequences or ()),
        stream=bool(request.stream),
    )


def asks_for_cache(body: Any) -> bool:
    """Whether any part of a request is marked with `cache_control`: Anthropic caches nothing by itself."""
    if isinstance(body, dict):
        return "cache_control" in body or any(map(asks_for_cache, body.values()))
    return isinstance(body, list) and any(map(asks_for_cache, body))


def message_body(ask: Ask, answer: Answer) -> Json:
    """The finished message."""
    return {
        **_head(ask),
        "content": [{"type": "text", "text": answer.text}],
        "stop_reason": _STOP.get(answer.finish_reason, "end_turn"),
        "usage": _usage(ask, len(answer.tokens)),
    }


def message_events(ask: Ask, answer: Answer) -> Iterator[Json]:
    """The typed events of a streamed message."""
    started = {**_head(ask), "content": [], "stop_reason": None, "usage": _usage(ask, 1)}
    yield {"type": "message_start", "message": started}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    for token in answer.tokens:
        yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": token}}
    yield {"type": "content_block_stop", "index": 0}
    ended = {"stop_reason": _STOP.get(answer.finish_reason, "end_turn"), "stop_sequence": None}
    yield {
        "type": "message_delta",
        "delta": ended,
        "usage": {"output_tokens": len(answer.tokens) + ask.reasoning_tokens},
    }
    yield {"type": "message_stop"}


def _head(ask: Ask) -> Json:
    return {"id": new_id("msg"), "type": "message", "role": "assistant", "model": ask.model, "stop_sequence": None}


def _usage(ask: Ask, output: int) -> Json:
    return {
        "input_tokens": ask.prompt_tokens - ask.cached_tokens - ask.written_tokens,
        "cache_read_input_tokens": ask.cached_tokens,
        "cache_creation_input_tokens": ask.written_tokens,
        "output_tokens": output + ask.reasoning_tokens,
    }
