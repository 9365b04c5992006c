"""A time limit that does not count the event loop's own delay against what is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

TURNS = 20
"""Turns of the event loop that follow once the time is up: from bytes in a socket to a reply in hand it takes a few,
over a new connection a dozen."""


@asynccontextmanager
async def fair_timeout(delay_s: float | None) -> AsyncIterator[None]:
    """As `asyncio.timeout`, but what has come in time and has not been looked at yet still counts.

    A worker with fifty requests in hand comes round to a reply a tenth of a second after it is there, and finds the
    deadline passed by its own doing: a store that answers in a millisecond would look broken, just under load. A turn
    of an idle loop takes microseconds. None: no limit. Raises `TimeoutError`.
    """
    if delay_s is None:
        yield
        return
    loop = asyncio.get_running_loop()
    left = TURNS
    handle: asyncio.Handle
    async with asyncio.timeout(None) as limit:

        def due() -> None:
            nonlocal left, handle
            if left:
                left -= 1
                handle = loop.call_soon(due)
            else:
                limit.reschedule(loop.time())

        handle = loop.call_later(delay_s, due)
        try:
            yield
        finally:
            handle.cancel()
