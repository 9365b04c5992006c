"""The gate on streams: hold, then replay or replace; what has been sent is never taken back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from custom_router.attempts import Attempt
from custom_router.causes import Cause
from custom_router.confidence.structured import StructuredInvalid
from custom_router.headers import decision_headers
from custom_router.lifecycle import Bill, Ending, GateTicket
from custom_router.litellm_adapter.held import HeldStream
from custom_router.litellm_adapter.reading import token_in
from custom_router.litellm_adapter.signal_requests import client_wants_logprobs
from custom_router.litellm_adapter.tickets import Found, TicketDesk, with_own_word
from custom_router.litellm_adapter.upstream import Accounted, ask_group, bill_partial
from custom_router.records.pending import Pending
from custom_router.tiers import Tier

_PENDING = {"x-router-confidence": "pending", "x-router-escalated": "pending"}
_KEEPALIVE = b": keep-alive\n\n"
_BILLING_S = 15.0
"""Within which LiteLLM has billed a stream whose client has left, if it does."""


class StreamGate:
    """Judges a stream before, or while, the client gets it. One that is not gated passes through untouched."""

    def __init__(self, desk: TicketDesk) -> None:
        self._desk = desk

    async def stream(self, data: Mapping[str, Any], user: Any, response: Any) -> AsyncGenerator[Any, None]:
        """The events to send to the client in place of those of `response`."""
        found = self._desk.ticket(data)
        if found is None:
            try:
                async for event in response:
                    yield event
            finally:
                # Of a /v1/messages stream that broke under way LiteLLM may report no end.
                if (ungated := token_in(data)) is not None:
                    asyncio.get_running_loop().call_later(_BILLING_S, self._end_unreported, ungated)
            return
        token, pending, ticket = found
        structured = self._desk.structured(ticket, response)
        held = HeldStream(response, ticket.view.call_type, strip=not client_wants_logprobs(data), structured=structured)
        opened: list[HeldStream] = [held]
        finished = False
        try:
            if not self._desk.judged(pending, ticket, response):
                self._set_headers(response, pending, final=True)
                async for event in held:
                    yield event
                self._note_error(found, held, held)
                finished = True
                return
            work = asyncio.ensure_future(self._settled_stream(data, user, held, opened, found))
            try:
                async for beat in self._beats(work, ticket):
                    self._set_headers(response, pending, final=False)
                    yield beat
                chosen = work.result()
                for stream in opened:
                    if stream is not chosen and not stream.ended:
                        # At once: its provider would otherwise write on for as long as the chosen one streams.
                        await self._abandon(token, stream, held, finished=True)
            finally:
                if not work.done():
                    pending.record.note(Cause.CLIENT_GONE)
                    work.cancel()
                    with suppress(asyncio.CancelledError, Exception):
                        await work
            self._set_headers(response, pending, final=True)
            now = time.perf_counter()
            pending.record.latency_ms["ttft"] = round((now - pending.began) * 1000, 3)
            pending.record.gate.held_ms = round((now - (held.first_at or now)) * 1000, 3)
            async for event in chosen:
                yield event
            self._note_error(found, chosen, held)
            finished = True
        finally:
            for stream in opened:
                if not stream.ended:
                    await self._abandon(token, stream, held, finished=finished)
            self._desk.runtime.gate_closed(token)

    async def _settled_stream(
        self, data: Mapping[str, Any], user: Any, held: HeldStream, opened: list[HeldStream], found: Found
    ) -> HeldStream:
        token, pending, ticket = found
        broken = await _hold(held, ticket)
        first = replace(self._held_whole(self._desk.tier(pending, held.stream), held, broken is None), broken=broken)

        async def ask(data: Mapping[str, Any], found: Found, tier: Tier, last: bool) -> Attempt:
            groups = self._desk.groups(pending, ticket, tier)
            with Accounted(ticket):
                stream = await ask_group(ticket.view.call_type, data, groups, token, stream=True)
                structured = self._desk.structured(ticket, stream)
                higher = HeldStream(stream, ticket.view.call_type, strip=held.strip, structured=structured)
                opened.append(higher)
                # One piece of it, so that a provider that fails at once has not yet taken the first one's place.
                while await higher.hold() and (not last or not higher.so_far.pieces):
                    pass
            return self._held_whole(self._desk.tier(pending, stream, tier), higher, not last)

        delivered = await self._desk.settle(data, user, found, first, ask)
        if delivered.payload is not held:
            self._desk.note_delivered(pending, delivered)
            if broken is not None:
                # LiteLLM reports no end for a stream that broke while held, and bills nothing for it.
                self._desk.runtime.end(token, Ending("ok", cost=0.0))
        chosen: HeldStream = delivered.payload
        return chosen

    def _held_whole(self, tier: Tier, held: HeldStream, readable: bool) -> Attempt:
        if not readable:
            return Attempt(tier, held)
        answer = self._desk.named(held.stream, held.so_far.answer(""))
        if not held.ended:
            return Attempt(tier, held, answer, partial=True)
        try:
            said = held.own_word()
        except StructuredInvalid:
            return Attempt(tier, held, replace(answer, text=held.restore()), misshapen=True)
        return Attempt(tier, held, with_own_word(answer, said))

    def _note_error(self, found: Found, delivered: HeldStream, first: HeldStream) -> None:
        """LiteLLM reports no end, and bills nothing, for a stream that told its error to the client by itself."""
        if delivered.so_far.error is None:
            return
        token, _, ticket = found
        name = type(delivered.so_far.error).__name__
        if delivered is first:
            self._desk.runtime.end(token, Ending("error", error=name))
        else:
            ticket.broke = name
            self._desk.runtime.billed(token, Bill(answer=True))

    async def _beats(self, work: asyncio.Future[Any], ticket: GateTicket) -> AsyncIterator[bytes]:
        while not work.done():
            await asyncio.wait({work}, timeout=ticket.policy.document.gate.keepalive_s)
            if not work.done():
                yield _KEEPALIVE

    async def _abandon(self, token: str, stream: HeldStream, first: HeldStream, *, finished: bool) -> None:
        """Close a stream that nobody reads on, and have what it gave billed.

        LiteLLM bills the client's own stream by itself when the client has left, before it was `finished` with.
        """
        if stream is not first or finished:
            billed = False
            with suppress(Exception):
                billed = await bill_partial(stream.stream)
            if not billed and stream is first:
                self._desk.runtime.end(token, Ending("ok"))
            elif not billed:
                self._desk.runtime.billed(token, Bill(answer=True))
        else:
            # Where it can bill nothing (no piece had come, or a text completion) it reports no end either.
            asyncio.get_running_loop().call_later(_BILLING_S, self._end_unbilled, token)
        await stream.close()

    def _end_unreported(self, token: str) -> None:
        pending = self._desk.runtime.pending.get(token)
        if pending is not None and pending.ticket is None:
            self._desk.runtime.end(token, Ending("unknown"))

    def _end_unbilled(self, token: str) -> None:
        pending = self._desk.runtime.pending.get(token)
        if pending is not None and pending.ticket is not None and pending.ticket.ending is None:
            self._desk.runtime.end(token, Ending("ok"))

    def without_verdict(self, token: str, response: Any, headers: dict[str, str] | None) -> dict[str, str] | None:
        """Headers to send before a held stream's verdict is known: none where they can follow with the first event."""
        pending = self._desk.runtime.pending.get(token)
        if headers is None or pending is None or pending.ticket is None or pending.ticket.closed:
            return headers
        if not pending.record.stream:
            return headers
        return None if isinstance(getattr(response, "_hidden_params", None), dict) else {**headers, **_PENDING}

    def _set_headers(self, response: Any, pending: Pending, *, final: bool) -> None:
        """Headers of a stream reach the client with its first event, from here."""
        hidden = getattr(response, "_hidden_params", None)
        if not isinstance(hidden, dict):
            return
        headers = decision_headers(pending.record)
        if not final:
            # The connection had to be kept alive before the verdict, so its headers cannot hold it; the record does.
            headers |= _PENDING
        known = hidden.get("additional_headers")
        hidden["additional_headers"] = {
            **headers,
            **(known if isinstance(known, dict) and not final else {}),
            **headers,
        }


async def _hold(held: HeldStream, ticket: GateTicket) -> BaseException | None:
    """Hold the stream as far as the policy says; what broke it, if something did."""
    settings = ticket.policy.document.gate
    whole = settings.streaming == "buffer"
    ends: float | None = None
    try:
        while await held.hold(None if ends is None else ends - time.perf_counter()):
            if whole or not held.so_far.pieces:
                continue
            ends = ends or time.perf_counter() + settings.prefix.milliseconds / 1000
            if held.so_far.pieces >= settings.prefix.tokens or time.perf_counter() >= ends:
                break
    except Exception as error:  # noqa: BLE001 - nothing has reached the client yet, so another tier may answer
        held.ended = True
        return error
    return None
