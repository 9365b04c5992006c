"""The loosely typed parts of a request: message content, prompts, response format, tools."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from custom_router.simulator.errors import ApiError
from custom_router.simulator.tokens import estimate_tokens

IMAGE_PARTS = frozenset({"image_url", "input_image", "image"})


@dataclass(frozen=True, slots=True)
class Tool:
    """A function the caller offers, with the JSON schema of its arguments."""

    name: str
    parameters: dict[str, Any]


def read_inputs(value: str | list[str] | list[int] | list[list[int]]) -> list[tuple[str, int]]:
    """(text, tokens) of each prompt or embedding input; token ids stand for themselves."""
    if isinstance(value, str):
        return [(value, estimate_tokens(len(value)))]
    if value and isinstance(value[0], int):
        return [(" ".join(map(str, value)), len(value))]
    pairs = []
    for item in value:
        if isinstance(item, str):
            pairs.append((item, estimate_tokens(len(item))))
        elif isinstance(item, list):
            pairs.append((" ".join(map(str, item)), len(item)))
    return pairs


def read_content(content: Any, where: str) -> tuple[str, int]:
    """(text, number of images) of a message's content: a string, a list of parts, or nothing."""
    if content is None:
        return "", 0
    if isinstance(content, str):
        return content, 0
    if not isinstance(content, list):
        raise ApiError(400, f"'{where}' must be a string or a list of parts.", param=where)
    texts: list[str] = []
    images = 0
    for part in content:
        if not isinstance(part, dict):
            raise ApiError(400, f"'{where}' holds a part that is not an object.", param=where)
        text = part.get("text")
        if isinstance(text, str):
            texts.append(text)
        elif part.get("type") in IMAGE_PARTS:
            images += 1
    return "\n".join(texts), images


def holds_image(message: Any) -> bool:
    """Whether a message has an image part; False for anything that is not a well-formed message."""
    content = message.get("content") if isinstance(message, dict) else None
    parts = content if isinstance(content, list) else []
    return any(isinstance(part, dict) and part.get("type") in IMAGE_PARTS for part in parts)


def read_format(value: dict[str, Any] | None, *, nested: bool) -> tuple[bool, dict[str, Any] | None]:
    """(JSON wanted, schema) of a response format; chat nests it under `json_schema`, responses does not."""
    kind = (value or {}).get("type", "text")
    if value is None or kind == "text":
        return False, None
    if kind == "json_object":
        return True, None
    holder = value.get("json_schema") if nested else value
    schema = holder.get("schema") if isinstance(holder, dict) else None
    if kind != "json_schema" or not isinstance(schema, dict):
        raise ApiError(400, "The response format needs a 'type' and, for json_schema, a schema object.")
    return True, schema


def read_tools(
    tools: list[dict[str, Any]] | None, choice: str | dict[str, Any] | None, *, nested: bool
) -> tuple[Tool, ...]:
    """The functions the answer may call: none for `tool_choice: none`, one when it is named.

    Chat nests a function under `function`, responses does not. Tools that are not functions are passed over.
    """
    offered: list[Tool] = []
    for index, tool in enumerate(tools or []):
        if tool.get("type", "function") != "function":
            continue
        holder = tool.get("function") if nested else tool
        name = holder.get("name") if isinstance(holder, dict) else None
        parameters = (holder.get("parameters") or {}) if isinstance(holder, dict) else None
        if not isinstance(name, str) or not isinstance(parameters, dict):
            raise ApiError(400, f"'tools[{index}]' is not a function with a name.", param=f"tools[{index}]")
        offered.append(Tool(name, parameters))
    if not isinstance(choice, dict):
        return () if choice == "none" else tuple(offered)
    holder = choice.get("function") if nested else choice
    wanted = holder.get("name") if isinstance(holder, dict) else None
    named = tuple(tool for tool in offered if tool.name == wanted)
    if wanted is not None and not named:
        raise ApiError(400, "'tool_choice' names a function that is not in 'tools'.", param="tool_choice")
    return named or tuple(offered)
