"""Reading an answer, and what the request demands of it, from LiteLLM's objects of the four APIs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from itertools import chain
from typing import Any

from custom_router.confidence.base import Answer, Expectations, TokenLogprob, ToolCall
from custom_router.request import CallType

_LENGTH = "length"
_STEPS = frozenset(
    {"reasoning", "web_search_call", "file_search_call", "code_interpreter_call", "mcp_call", "mcp_list_tools",
     "thinking", "redacted_thinking", "server_tool_use", "mcp_tool_use"}
)  # fmt: skip
"""What a model thinks, and the tools that its provider runs: steps to an answer, none by themselves."""
_USAGE = ("prompt_tokens", "completion_tokens", "total_tokens", "input_tokens", "output_tokens")


def get(holder: Any, name: str) -> Any:
    """A field of an object or a mapping; None where it has none."""
    return holder.get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)


def read_answer(kind: CallType, response: Any, model: str) -> Answer | None:
    """The answer in a whole response; None for a shape that is not known. `model` names who gave it."""
    reader = _READERS[kind]
    try:
        return reader(response, model)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return None


def _chat(response: Any, model: str) -> Answer:
    choice = get(response, "choices")[0]
    message = get(choice, "message")
    return Answer(
        text=get(message, "content") or "",
        model=model,
        finish_reason=get(choice, "finish_reason"),
        tokens=chat_tokens(get(choice, "logprobs")),
        tool_calls=tuple(_call(function) for function in chat_functions(message) if function is not None),
        unread=chat_unread(message),
    )


def chat_functions(message: Any) -> list[Any]:
    """The function of each call in a chat message or a delta of one, the older `function_call` included; None for a
    call that is no function's."""
    functions = [get(call, "function") for call in get(message, "tool_calls") or ()]
    return functions + [old for old in (get(message, "function_call"),) if old is not None]


def chat_unread(message: Any) -> bool:
    """Whether a chat message, or a delta of one, holds what is not judged."""
    return bool(get(message, "audio") or get(message, "images")) or None in chat_functions(message)


def _call(function: Any) -> ToolCall:
    return ToolCall(str(get(function, "name") or ""), str(get(function, "arguments") or ""))


def _completion(response: Any, model: str) -> Answer:
    choice = get(response, "choices")[0]
    return Answer(
        text=get(choice, "text") or "",
        model=model,
        finish_reason=get(choice, "finish_reason"),
        tokens=completion_tokens(get(choice, "logprobs")),
    )


def _responses(response: Any, model: str) -> Answer:
    texts: list[str] = []
    tokens: list[TokenLogprob] = []
    calls: list[ToolCall] = []
    for item in get(response, "output") or ():
        if get(item, "type") == "function_call":
            calls.append(_call(item))
        for part in get(item, "content") or ():
            if get(part, "type") == "output_text":
                texts.append(get(part, "text") or "")
                tokens.extend(_tokens(get(part, "logprobs")))
    cut = get(get(response, "incomplete_details"), "reason") == "max_output_tokens"
    unread = any(map(item_unread, get(response, "output") or ()))
    return Answer("".join(texts), model, _LENGTH if cut else "stop", tuple(tokens), tuple(calls), unread)


def item_unread(item: Any) -> bool:
    """Whether an output item of /v1/responses is, or holds, what is not judged: a kind that is not known may be all
    that there is to an answer."""
    kind = get(item, "type")
    if kind == "message":
        return any(get(part, "type") not in ("output_text", "refusal") for part in get(item, "content") or ())
    return kind != "function_call" and kind not in _STEPS


def block_unread(block: Any) -> bool:
    """The same of a content block of /v1/messages."""
    kind = str(get(block, "type"))
    return kind not in ("text", "tool_use", *_STEPS) and not kind.endswith("_tool_result")


def _messages(response: Any, model: str) -> Answer:
    import orjson

    blocks = get(response, "content") or ()
    return Answer(
        text="".join(get(block, "text") or "" for block in blocks if get(block, "type") == "text"),
        model=model,
        finish_reason=messages_finish(get(response, "stop_reason")),
        tool_calls=tuple(
            ToolCall(str(get(block, "name") or ""), orjson.dumps(get(block, "input"), default=repr).decode())
            for block in blocks
            if get(block, "type") == "tool_use"
        ),
        unread=any(map(block_unread, blocks)),
    )


_READERS = {
    CallType.CHAT: _chat,
    CallType.COMPLETION: _completion,
    CallType.RESPONSES: _responses,
    CallType.MESSAGES: _messages,
}


def messages_finish(reason: object) -> str | None:
    """Anthropic's stop reason in OpenAI's words."""
    return _LENGTH if reason == "max_tokens" else reason if isinstance(reason, str) else None


def chat_tokens(logprobs: Any) -> tuple[TokenLogprob, ...]:
    """Tokens of a chat choice's `logprobs`."""
    return _tokens(get(logprobs, "content"))


def _tokens(entries: Any) -> tuple[TokenLogprob, ...]:
    if not isinstance(entries, Iterable) or isinstance(entries, str | bytes | Mapping):
        return ()
    return tuple(
        TokenLogprob(
            str(get(entry, "token") or ""),
            float(value),
            tuple(
                (str(get(top, "token") or ""), float(get(top, "logprob")))
                for top in get(entry, "top_logprobs") or ()
                if isinstance(get(top, "logprob"), int | float)
            ),
        )
        for entry in entries
        if isinstance(value := get(entry, "logprob"), int | float)
    )


def completion_tokens(logprobs: Any) -> tuple[TokenLogprob, ...]:
    """Tokens of a text completion's `logprobs`, which are parallel lists."""
    tokens, values = get(logprobs, "tokens") or (), get(logprobs, "token_logprobs") or ()
    return tuple(
        TokenLogprob(str(token), float(value))
        for token, value in zip(tokens, values, strict=False)
        if isinstance(value, int | float)
    )


def strip_logprobs(response: Any) -> None:
    """Take out log probabilities that the client did not ask for: a whole response or a stream's event, in place."""
    if get(response, "logprobs"):  # an event of /v1/responses, where the list itself is required
        response.logprobs = []
    for choice in get(response, "choices") or ():
        _drop(choice)
    # Events of /v1/responses tell a finished part, item and response once more.
    _drop(get(response, "part"))
    items = [get(response, "item"), *(get(response, "output") or ()), *(get(get(response, "response"), "output") or ())]
    for item in items:
        for part in get(item, "content") or () if not isinstance(item, str) else ():
            _drop(part)


def _drop(holder: Any) -> None:
    if isinstance(holder, dict):
        holder.pop("logprobs", None)
    elif getattr(holder, "logprobs", None) is not None:
        try:
            delattr(holder, "logprobs")
        except AttributeError:
            holder.logprobs = None


def with_usage_of(delivered: Any, others: Iterable[Any]) -> Any:
    """The delivered answer with the token usage of others added to its own: a copy, as LiteLLM has yet to bill it."""
    told = deepcopy(get(delivered, "usage"))
    for other in others:
        theirs = get(other, "usage")
        for name in _USAGE:
            value, more = get(told, name), get(theirs, name)
            if isinstance(value, int) and isinstance(more, int):
                if isinstance(told, dict):
                    told[name] = value + more
                else:
                    setattr(told, name, value + more)
    if isinstance(delivered, dict):
        return {**delivered, "usage": told}
    copied = delivered.model_copy()
    copied.usage = told
    return copied


def read_expectations(kind: CallType, body: Mapping[str, Any]) -> Expectations:
    """What a request demands of the form of any answer to it."""
    return Expectations(_json_schema(kind, body), _tools(body))


def is_repeatable(body: Mapping[str, Any]) -> bool:
    """Whether another provider could answer the same request: not where it goes on from what one has stored, nor where
    its answer is fetched later."""
    return not any(body.get(name) for name in ("previous_response_id", "conversation", "background"))


def _json_schema(kind: CallType, body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    asked = body.get("response_format")
    if kind is CallType.RESPONSES and isinstance(body.get("text"), Mapping):
        asked = body["text"].get("format")
    if not isinstance(asked, Mapping) or asked.get("type") not in ("json_object", "json_schema"):
        return None
    nested = asked.get("json_schema")
    schema = (nested if isinstance(nested, Mapping) else asked).get("schema")
    return schema if isinstance(schema, Mapping) else {}


def _tools(body: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]] | None:
    found: dict[str, Mapping[str, Any]] = {}
    offered = [tools for name in ("tools", "functions") if isinstance(tools := body.get(name), list)]
    for tool in chain.from_iterable(offered):
        holder = tool.get("function", tool) if isinstance(tool, Mapping) else None
        if not isinstance(holder, Mapping) or not isinstance(name := holder.get("name"), str):
            # A tool of the provider's own, whose calls are not functions: nothing is known of their form.
            return None
        schema = holder.get("parameters", holder.get("input_schema"))
        found[name] = schema if isinstance(schema, Mapping) else {}
    return found or None
