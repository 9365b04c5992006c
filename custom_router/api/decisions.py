"""Routes that show decision records: whose one is, the list, the live stream, the receipt of one."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, HTTPException, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, Field
from starlette.types import Receive, Scope, Send

from custom_router.api.answers import PRIVATE, api_routes, told
from custom_router.api.turns import Turns, admit
from custom_router.api.visitor import Guards, Visitor
from custom_router.per_minute import PerMinute
from custom_router.receipts.archive import SEARCHED_MB, Archive
from custom_router.receipts.explanation import explain_record
from custom_router.receipts.filters import Filter
from custom_router.runtime import Runtime

WHOAMI = "/router/api/whoami"
DECISIONS = "/router/api/decisions"
STREAM = "/router/api/decisions/stream"
RECEIPT = "/router/api/decisions/{request_id}"

LIMIT = 200
WAITING, SHARE, DEADLINE_S = 16, 4, 20.0
"""Readers of the disk that wait for their turn, and those of one team among them: one reads at a time, a page for half
a second at most, a receipt 256 MiB at most."""
LISTS_A_MINUTE, RECEIPTS_A_MINUTE = 120, 60
"""What each worker gives one key."""
STREAMS = 16
"""Streams of ordinary keys in one process, and as many of administrators: neither can keep the other out."""
STREAMS_A_GROUP = 4
"""Of them, those of one team, or of one key without a team."""
NOT_SOUGHT = (
    f"no such request in the {SEARCHED_MB} MiB of records that were looked through, and there are more: give the "
    "record's time, or ask `tier-router explain` where the records are"
)
LIFETIME_S = 900.0
"""A stream ends after this; who reads on asks again, with a key that may have expired meanwhile."""
GRACE_S = 30.0
"""How much longer a client may take to read its end."""
QUIET_S = 15.0
"""After as long without a record, a comment shows that the connection lives."""
TICK_S = 0.5
"""How often a stream sees whether it is time to end."""


class Asked(Filter):
    """Which page of the list."""

    limit: int = Field(default=50, ge=1, le=LIMIT)
    cursor: str | None = Field(default=None, max_length=32_000)
    """`next` of the page before."""
    since_id: str | None = Field(default=None, max_length=100)
    """Only what is newer than this request."""


def build_decision_routes(runtime: Runtime, guards: Guards, archive: Archive) -> APIRouter:
    """Any key may ask; each sees its own team's records only, its own where it has no team, an admin all."""
    routes = api_routes()
    seats, key = Seats(), Depends(guards.anyone)
    lists, receipts = PerMinute(LISTS_A_MINUTE), PerMinute(RECEIPTS_A_MINUTE)
    turns = Turns("records", at_once=1, waiting=WAITING, share=SHARE, deadline_s=DEADLINE_S)

    @routes.get(WHOAMI)
    async def whoami(visitor: Visitor = key) -> dict[str, Any]:
        """What the key may do here."""
        return {
            "admin": visitor.admin,
            "may_change": visitor.may_change,
            "team": visitor.tenant.team,
            "key_alias": visitor.key_alias,
        }

    @routes.get(DECISIONS)
    async def decisions(asked: Annotated[Asked, Query()], visitor: Visitor = key) -> Response:
        """Records of all workers, newest first. `complete` is false where the search stopped for the time it took."""
        admit(visitor, lists, "lists")
        try:
            async with turns.one(visitor):
                page = await archive.page(
                    lambda record: visitor.sees(record) and asked.takes(record),
                    asked.limit,
                    asked.cursor,
                    asked.since_id,
                )
        except ValueError as error:
            raise HTTPException(422, str(error)) from None
        except OSError as error:
            raise HTTPException(503, f"the records cannot be read: {error.strerror or error}") from error
        return told({"decisions": page.records, "next": page.next, "complete": page.complete})

    @routes.get(STREAM)
    async def stream(asked: Annotated[Filter, Query()], visitor: Visitor = key) -> StreamingResponse:
        """Records as they are written, as server-sent events: `decision`, `dropped` where the reader is too slow,
        `end` when it is time to ask again."""
        seat = seats.take(visitor)
        if seat is None:
            raise HTTPException(503, "too many streams are open; the list can be asked again and again instead")
        return _EventStream(_events(archive, visitor, asked), seat)

    @routes.get(RECEIPT)
    async def receipt(request_id: str, time: AwareDatetime | None = None, visitor: Visitor = key) -> Response:
        """One record and what it means. What is not there and what is somebody else's look the same. `complete` is
        false where not everything was looked through; the record's own `time` tells where to begin."""
        admit(visitor, receipts, "receipts")
        try:
            async with turns.one(visitor):
                found = await archive.find(request_id, visitor.sees, time)
        except OSError as error:
            raise HTTPException(503, f"the records cannot be read: {error.strerror or error}") from error
        if found.record is None:
            detail = "no such request" if found.complete else NOT_SOUGHT
            return told({"detail": detail, "complete": found.complete}, 404)
        explanation = explain_record(found.record, runtime.engine.policy)
        return told({"record": found.record, "explanation": explanation.as_dict()})

    return routes


class Seats:
    """How many streams may be open. For one event loop."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()
        self._groups: Counter[str] = Counter()

    def take(self, visitor: Visitor) -> Seat | None:
        """A place for one more stream; None where there is none."""
        kind = "admin" if visitor.admin else "key"
        full = not visitor.admin and self._groups[visitor.group] >= STREAMS_A_GROUP
        if full or self._taken[kind] >= STREAMS:
            return None
        group = None if visitor.admin else visitor.group
        self._taken[kind] += 1
        if group is not None:
            self._groups[group] += 1
        return Seat(self, kind, group)

    def give_back(self, kind: str, group: str | None) -> None:
        """One stream has ended."""
        self._taken[kind] -= 1
        if group is not None:
            self._groups[group] -= 1
            self._groups += Counter()  # names that hold none are forgotten


class Seat:
    """One stream's place, given back once."""

    def __init__(self, seats: Seats, kind: str, group: str | None) -> None:
        self._seats: Seats | None = seats
        self._kind, self._group = kind, group

    def leave(self) -> None:
        """The stream has ended."""
        seats, self._seats = self._seats, None
        if seats is not None:
            seats.give_back(self._kind, self._group)


class _EventStream(StreamingResponse):
    """Server-sent events that give their seat back however they end: a client that neither reads nor leaves is let go
    of when its time is over."""

    def __init__(self, events: AsyncIterator[bytes], seat: Seat) -> None:
        super().__init__(events, media_type="text/event-stream", headers={**PRIVATE, "X-Accel-Buffering": "no"})
        self._seat = seat

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        try:
            async with asyncio.timeout(LIFETIME_S + GRACE_S):
                await super().__call__(scope, receive, send)
        except TimeoutError:
            return
        finally:
            self._seat.leave()


async def _events(archive: Archive, visitor: Visitor, asked: Filter) -> AsyncIterator[bytes]:
    end = time.monotonic() + LIFETIME_S
    async with archive.follower.reader(lambda record: visitor.sees(record) and asked.takes(record)) as reader:
        yield b"retry: 2000\n\n"
        told = time.monotonic()
        async for records, dropped in reader.batches(TICK_S):
            now = time.monotonic()
            if records or dropped or now - told >= QUIET_S:
                told = now
                yield event_text(records, dropped)
            # A server that is stopping waits for its streams.
            if now >= end or archive.stopping:
                break
    yield b"event: end\ndata: {}\n\n"


def event_text(records: list[dict[str, Any]], dropped: int) -> bytes:
    """Server-sent events for a batch. JSON holds no line end, so that no text of a prompt can end an event."""
    told = [b"event: dropped\ndata: " + orjson.dumps({"dropped": dropped}) + b"\n\n"] if dropped else []
    told += [b"event: decision\ndata: " + orjson.dumps(record) + b"\n\n" for record in records]
    return b"".join(told) or b": quiet\n\n"
