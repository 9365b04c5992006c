"""Usage in streamed text completions: asked for on the router's account, shown to clients that asked themselves."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Any

from custom_router.litellm_adapter.text_streams import client_wants_usage, usage_asked, without_usage


def test_what_else_the_client_asked_of_its_stream_is_kept() -> None:
    assert usage_asked({}) == {"stream_options": {"include_usage": True}}
    asked = usage_asked({"stream_options": {"include_obfuscation": False, "include_usage": False}})
    assert asked == {"stream_options": {"include_obfuscation": False, "include_usage": True}}


def test_only_the_client_itself_asks() -> None:
    body = {"stream_options": {"include_usage": True}}
    assert client_wants_usage({"proxy_server_request": {"body": body}})
    assert not client_wants_usage({**body, "proxy_server_request": {"body": {}}})
    assert not client_wants_usage({"proxy_server_request": {"body": {"stream_options": "all"}}})


async def test_an_event_with_text_loses_its_usage_and_one_without_is_left_out() -> None:
    def event(text: str | None, finish: str | None = None, usage: Any = None) -> SimpleNamespace:
        return SimpleNamespace(choices=[SimpleNamespace(text=text, finish_reason=finish)], usage=usage)

    async def given() -> AsyncGenerator[Any, None]:
        for one in (event("a"), event("b", usage=3), event(None, "stop", usage=3), event(None, usage=3)):
            yield one
        yield b": keep-alive"

    events = [one async for one in without_usage(given())]
    assert [(one.choices[0].text, one.usage) for one in events[:-1]] == [("a", None), ("b", None), (None, None)]
    assert events[-1] == b": keep-alive"
