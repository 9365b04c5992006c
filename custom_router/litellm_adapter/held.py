"""A stream under way: its events, and the answer they amount to so far. One reader for each of the four APIs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import orjson

from custom_router.confidence.base import Answer, TokenLogprob, ToolCall
from custom_router.confidence.structured import IncrementalUnwrapper, StructuredInvalid
from custom_router.litellm_adapter.answers import (
    block_unread,
    chat_functions,
    chat_tokens,
    chat_unread,
    completion_tokens,
    get,
    item_unread,
    messages_finish,
    strip_logprobs,
)
from custom_router.request import CallType


class StreamBroke(Exception):
    """A stream said in an event of its own, as /v1/messages and /v1/responses do, that it can go no further."""


class AnswerSoFar:
    """Accumulates a streamed answer from its events. Events of an unknown form add nothing."""

    def __init__(self, kind: CallType) -> None:
        self.pieces = 0
        """Parts of the answer so far, of text or of a tool call."""
        self.error: StreamBroke | None = None
        self._texts: list[str] = []
        self._tokens: list[TokenLogprob] = []
        self._calls: dict[Any, list[str]] = {}
        self._unread = False
        self._finish: str | None = None
        self._partial = b""
        self._read: Callable[[Any], None] = {
            CallType.CHAT: self._chat,
            CallType.COMPLETION: self._completion,
            CallType.RESPONSES: self._responses,
            CallType.MESSAGES: self._messages,
        }[kind]

    def feed(self, event: Any) -> None:
        """Take in one event. Never raises."""
        with suppress(AttributeError, IndexError, KeyError, TypeError, ValueError):
            self._read(event)

    def answer(self, model: str) -> Answer:
        """The answer as far as it has come."""
        calls = tuple(ToolCall(name, arguments) for name, arguments in map(_joined, self._calls.values()))
        return Answer("".join(self._texts), model, self._finish, tuple(self._tokens), calls, self._unread)

    def _text(self, piece: Any) -> None:
        if isinstance(piece, str) and piece:
            self._texts.append(piece)
            self.pieces += 1

    def _chat(self, event: Any) -> None:
        for choice in get(event, "choices") or ():
            delta = get(choice, "delta")
            self._text(get(delta, "content"))
            self._tokens.extend(chat_tokens(get(choice, "logprobs")))
            self._finish = get(choice, "finish_reason") or self._finish
            calls = get(delta, "tool_calls") or ()
            places = [*(get(call, "index") for call in calls), "function_call"]
            for place, function in zip(places, chat_functions(delta), strict=False):
                self.pieces += 1
                if function is not None:
                    held = self._calls.setdefault(place, [get(function, "name") or ""])
                    held.append(get(function, "arguments") or "")
            if chat_unread(delta):
                self._unread = True
                self.pieces += not calls

    def _completion(self, event: Any) -> None:
        for choice in get(event, "choices") or ():
            self._text(get(choice, "text"))
            self._tokens.extend(completion_tokens(get(choice, "logprobs")))
            self._finish = get(choice, "finish_reason") or self._finish

    def _responses(self, event: Any) -> None:
        kind = str(getattr(get(event, "type"), "value", get(event, "type")))
        if kind == "response.output_text.delta":
            self._text(get(event, "delta"))
            self._tokens.extend(chat_tokens({"content": get(event, "logprobs") or ()}))
        elif kind == "response.output_item.done":
            item = get(event, "item")
            if get(item, "type") == "function_call":
                self.pieces += 1
                self._calls[get(item, "id")] = [str(get(item, "name")), str(get(item, "arguments"))]
            elif item_unread(item):
                self.pieces += 1
                self._unread = True
        elif kind in ("error", "response.failed"):
            self.error = StreamBroke(kind)
        elif kind in ("response.completed", "response.incomplete"):
            details = get(get(event, "response"), "incomplete_details")
            self._finish = "length" if get(details, "reason") == "max_output_tokens" else "stop"

    def _messages(self, event: Any) -> None:
        if isinstance(event, str):
            event = event.encode()
        if not isinstance(event, bytes):
            self._message_event(event)
            return
        *lines, self._partial = (self._partial + event).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                self._message_event(orjson.loads(line[5:]))

    def _message_event(self, event: Any) -> None:
        kind, delta, index = get(event, "type"), get(event, "delta"), get(event, "index")
        if kind == "content_block_start":
            block = get(event, "content_block")
            if get(block, "type") == "tool_use":
                self._calls[index] = [str(get(block, "name"))]
            elif block_unread(block):
                self.pieces += 1
                self._unread = True
        elif kind == "content_block_delta":
            self._text(get(delta, "text"))
            if index in self._calls:
                self.pieces += 1
                self._calls[index].append(str(get(delta, "partial_json") or ""))
        elif kind == "error":
            self.error = StreamBroke(str(get(get(event, "error"), "type")))
        elif kind == "message_delta":
            self._finish = messages_finish(get(delta, "stop_reason")) or self._finish


def _joined(parts: list[str]) -> tuple[str, str]:
    return parts[0], "".join(parts[1:])


class HeldStream:
    """A stream's events so far, and the rest to come. Iterating replays what was held, then goes on."""

    def __init__(self, stream: Any, kind: CallType, *, strip: bool, structured: bool = False) -> None:
        self.stream = stream
        self.so_far = AnswerSoFar(kind)
        self.ended = False
        self.first_at: float | None = None
        """`time.perf_counter()` of the first event."""
        self._iterator: AsyncIterator[Any] = stream.__aiter__()
        self._reading: asyncio.Future[Any] | None = None
        self.strip = strip
        self._held: list[Any] = []
        self._unwrapped = _UnwrappedChat() if structured else None

    async def hold(self, within_s: float | None = None) -> bool | None:
        """Hold one event more; False at the stream's end, None where none came in time: it is then still to come.
        Raises what the stream raises or says went wrong."""
        more = await self._advance(within_s)
        if self.so_far.error is not None:
            self.ended = True
            raise self.so_far.error
        return more

    async def _advance(self, within_s: float | None = None) -> bool | None:
        try:
            if within_s is None and self._reading is None:
                event = await self._iterator.__anext__()
            else:
                # Apart, so that it goes on when its time runs out: cancelled, it would end the stream.
                reading = self._reading = self._reading or asyncio.ensure_future(self._iterator.__anext__())
                await asyncio.wait({reading}, timeout=within_s)
                if not reading.done():
                    return None
                self._reading = None
                event = reading.result()
        except StopAsyncIteration:
            self.ended = True
            return False
        self.first_at = self.first_at or time.perf_counter()
        if self._unwrapped is not None:
            self._unwrapped.rewrite(event)
        self.so_far.feed(event)
        if self.strip:
            strip_logprobs(event)
        self._held.append(event)
        return True

    def own_word(self) -> float | None:
        """The probability that the model wrote beside its answer. Raises `StructuredInvalid` for another form."""
        return None if self._unwrapped is None else self._unwrapped.finish()

    def restore(self) -> str:
        """Undo the unwrapping of what is held, as the model wrote something else: its text as it stands."""
        return "" if self._unwrapped is None else self._unwrapped.restore()

    async def __aiter__(self) -> AsyncIterator[Any]:
        held, self._held = self._held, []
        for event in held:
            yield event
        while not self.ended and await self._advance():
            yield self._held.pop()

    async def close(self) -> None:
        """Stop the stream at its source; nothing more comes."""
        self.ended = True
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})
            if not self._reading.cancelled():
                self._reading.exception()  # nobody asks for it any more
        for closer in (getattr(self._iterator, "aclose", None), getattr(self.stream, "aclose", None)):
            if callable(closer):
                with suppress(Exception):
                    await closer()


class _UnwrappedChat:
    """Rewrites chat chunks of `{answer, confidence}` into chunks of the answer, as they come."""

    def __init__(self) -> None:
        self._reader = IncrementalUnwrapper()
        self._invalid: StructuredInvalid | None = None
        self._originals: list[tuple[Any, str]] = []

    def rewrite(self, event: Any) -> None:
        for choice in get(event, "choices") or ():
            delta = get(choice, "delta")
            content = get(delta, "content")
            if isinstance(content, str) and content:
                self._originals.append((delta, content))
                delta.content = self._feed(content)

    def _feed(self, content: str) -> str:
        if self._invalid is None:
            try:
                return self._reader.feed(content)
            except StructuredInvalid as error:
                self._invalid = error
        return content  # no text is lost where the model wrote something else, or went on after it

    def finish(self) -> float | None:
        if self._invalid is not None:
            raise self._invalid
        return self._reader.finish()

    def restore(self) -> str:
        for delta, content in self._originals:
            delta.content = content
        return "".join(content for _, content in self._originals)
