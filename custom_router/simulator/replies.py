"""Answers as ASGI applications: JSON, event streams, and the ways a connection can go wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from starlette.types import Receive, Scope, Send

from custom_router.simulator.codec import encode
from custom_router.simulator.pace import Pace

Headers = list[tuple[bytes, bytes]]
SIMULATED: Headers = [(b"x-simulated", b"true")]
JSON_TYPE = (b"content-type", b"application/json")
SSE_TYPE = (b"content-type", b"text/event-stream; charset=utf-8")


class Peer:
    """The other end of one request: waits that end early when it leaves or the server stops."""

    def __init__(self, receive: Receive, stopping: asyncio.Event) -> None:
        self._receive = receive
        self._stopping = stopping
        self._watchers: set[asyncio.Task[Any]] = set()

    async def leaves_within(self, seconds: float | None) -> bool:
        """Wait `seconds` (None: for ever). True when there is nobody left to answer."""
        if seconds is not None and seconds <= 0:
            return False
        if not self._watchers:
            self._watchers = {
                asyncio.ensure_future(self._disconnected()),
                asyncio.ensure_future(self._stopping.wait()),
            }
        gone, _ = await asyncio.wait(self._watchers, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return bool(gone)

    def release(self) -> None:
        """Stop watching."""
        for watcher in self._watchers:
            watcher.cancel()

    async def _disconnected(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass


async def close_connection(scope: Scope, receive: Receive) -> None:
    """Send what is buffered, close the socket and wait until the server has noticed."""
    scope["state"]["transport"].close()
    while (await receive())["type"] != "http.disconnect":
        pass


@dataclass(slots=True)
class JsonReply:
    """One JSON body after `delay_s`. `cut` sends half of it; `garbled` sends half as if it were whole."""

    body: Any
    stopping: asyncio.Event
    status: int = 200
    headers: Headers = field(default_factory=list)
    delay_s: float = 0.0
    cut: bool = False
    garbled: bool = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.delay_s:
            peer = Peer(receive, self.stopping)
            try:
                if await peer.leaves_within(self.delay_s):
                    await close_connection(scope, receive)
                    return
            finally:
                peer.release()
        payload = encode(self.body)
        if self.garbled:
            payload = payload[: len(payload) // 2]
        length = (b"content-length", str(len(payload)).encode())
        headers = [JSON_TYPE, length, *SIMULATED, *self.headers]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        if self.cut:
            half = payload[: len(payload) // 2]
            await send({"type": "http.response.body", "body": half, "more_body": True})
            await close_connection(scope, receive)
            return
        await send({"type": "http.response.body", "body": payload})


@dataclass(slots=True)
class EventStream:
    """Server-sent events at a model's pace. `cut` closes half-way; `garbled` breaks the second event."""

    events: Iterable[bytes]
    pace: Pace
    stopping: asyncio.Event
    headers: Headers = field(default_factory=list)
    cut: bool = False
    garbled: bool = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        peer = Peer(receive, self.stopping)
        headers = [SSE_TYPE, (b"cache-control", b"no-cache"), *SIMULATED, *self.headers]
        try:
            if await peer.leaves_within(self.pace.first_s):
                await close_connection(scope, receive)
                return
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            for position, block in enumerate(self._blocks()):
                if position and await peer.leaves_within(self.pace.token_s * self.pace.per_tick()):
                    await close_connection(scope, receive)
                    return
                await send({"type": "http.response.body", "body": block, "more_body": True})
        finally:
            peer.release()
        if self.cut:
            await close_connection(scope, receive)
            return
        await send({"type": "http.response.body", "body": b""})

    def _blocks(self) -> Iterator[bytes]:
        """The events grouped into writes."""
        events: Iterable[bytes] = self.events
        if self.cut or self.garbled:
            whole = list(events)
            if self.garbled:
                whole[1] = whole[1][: len(whole[1]) // 2] + b"\n\n"
            events = whole[: (len(whole) + 1) // 2] if self.cut else whole
        size = self.pace.per_tick()
        if size == 0:
            yield b"".join(events)
            return
        remaining = iter(events)
        while block := b"".join(islice(remaining, size)):
            yield block


@dataclass(slots=True)
class Refusal:
    """No answer: the connection closes at once."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await close_connection(scope, receive)


@dataclass(slots=True)
class Silence:
    """No answer and no close, until the client leaves or the server stops."""

    stopping: asyncio.Event

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        peer = Peer(receive, self.stopping)
        try:
            await peer.leaves_within(None)
        finally:
            peer.release()
        await close_connection(scope, receive)


Reply = JsonReply | EventStream | Refusal | Silence


def data_event(chunk: Any) -> bytes:
    """One chat-style server-sent event."""
    return b"data: " + encode(chunk) + b"\n\n"


def named_event(chunk: dict[str, Any]) -> bytes:
    """One responses-style server-sent event, named by its `type`."""
    return b"event: " + str(chunk["type"]).encode() + b"\n" + data_event(chunk)
