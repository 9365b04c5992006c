"""Streamed text completions (/v1/completions): sent while LiteLLM can still fail over, and with their usage.

LiteLLM 1.106 sends such a request when the client reads its first event. By then its router has counted a success, so
that a dead provider fails the client instead of the attempt. Nor does it ask for the usage, as it does for chats, so
that it bills nothing.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from functools import wraps
from typing import Any

import litellm

from custom_router.litellm_adapter.answers import get
from custom_router.litellm_adapter.upstream import body_of

logger = logging.getLogger(__name__)

_MARK = "tier_router_sends_at_once"


def send_at_once() -> None:
    """Have LiteLLM hold a streamed text completion until its first event is there, within each attempt of its router.

    It calls the function by its name in the package, so the one put there is called; it is decorated as theirs is, and
    their failure counts, callbacks and rests hold for it.
    """
    from litellm.utils import TextCompletionStreamWrapper, client

    theirs = litellm.atext_completion
    undecorated = getattr(theirs, "__wrapped__", None)
    if getattr(theirs, _MARK, False):
        return
    if undecorated is None:
        logger.warning("this LiteLLM is not the one that was checked; streamed text completions will not fail over")
        return

    @client  # type: ignore[untyped-decorator, unused-ignore]
    @wraps(undecorated)
    async def atext_completion(*args: Any, **kwargs: Any) -> Any:
        response = await undecorated(*args, **kwargs)
        if isinstance(response, TextCompletionStreamWrapper):
            response.completion_stream = await _begun(response.completion_stream)
        return response

    setattr(atext_completion, _MARK, True)
    litellm.atext_completion = atext_completion


async def _begun(events: Any) -> AsyncIterator[Any]:
    """The same events, of which the first has come. Raises what reading it raises."""
    iterator = aiter(events)
    try:
        first = await anext(iterator)
    except StopAsyncIteration:
        return iterator  # type: ignore[no-any-return]

    async def resumed() -> AsyncIterator[Any]:
        async with aclosing(iterator):
            yield first
            async for event in iterator:
                yield event

    return resumed()


def usage_asked(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """What to add to a streamed call so that its provider says what it used."""
    given = kwargs.get("stream_options")
    return {"stream_options": {**(given if isinstance(given, Mapping) else {}), "include_usage": True}}


def client_wants_usage(data: Mapping[str, Any]) -> bool:
    """Whether the client itself asked for the usage of its stream."""
    return get(body_of(data).get("stream_options"), "include_usage") is True


async def without_usage(events: AsyncGenerator[Any, None]) -> AsyncGenerator[Any, None]:
    """The events of a text completion as a client gets them that did not ask for the usage."""
    async with aclosing(events):
        async for event in events:
            if getattr(event, "usage", None) is not None:
                choices = get(event, "choices") or ()
                if not any(get(choice, "text") or get(choice, "finish_reason") for choice in choices):
                    continue
                event.usage = None
            yield event
