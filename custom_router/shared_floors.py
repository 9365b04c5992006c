"""What turns have reached, in the Redis that all workers share (`cache.redis`)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from custom_router.cache.base import StoreFailed
from custom_router.conversations import Place
from custom_router.policy.cache import RedisPolicy
from custom_router.tiers import TIERS, Tier

if TYPE_CHECKING:
    from custom_router.cache.deadline import Guarded

logger = logging.getLogger(__name__)

LOOK_BACK = 32
"""Turns that are asked for at once, the latest. Each was held to those before it."""
WRITE_DEADLINES = 10
"""Deadlines that a write may take: no request waits for it."""
_BY_NAME = {tier.value.encode(): tier for tier in TIERS}


class _Server:
    """A client and its guards. Raises `BadRedisUrl`."""

    def __init__(self, settings: RedisPolicy) -> None:
        # Only who has a Redis loads its client.
        from custom_router.cache.deadline import Guarded
        from custom_router.cache.redis_connect import connect

        deadline_s = settings.deadline_ms / 1000
        self.client: Any = connect(settings.url, deadline_s * WRITE_DEADLINES)
        self.prefix = settings.prefix
        self.reading: Guarded = Guarded(deadline_s)
        self.writing: Guarded = Guarded(deadline_s * WRITE_DEADLINES)

    def key(self, place: Place, turn: bytes) -> str:
        """Name of a turn's tier. What is in braces is the same all through a conversation: a cluster keeps that on one
        node, which can be asked for all its turns at once."""
        return f"{self.prefix}:turn:1:{{{place.opening.hex()}}}:{turn.hex()}"


class SharedFloors:
    """The tiers that turns reached in any worker, for `ttl_s` seconds each. For one event loop.

    What Redis does not say in time is not known, and what it does not take is not kept: neither is an error.
    """

    def __init__(self, ttl_s: float) -> None:
        """Not connected yet."""
        self._ttl_ms = max(1, int(ttl_s * 1000))
        self._settings: RedisPolicy | None = None
        self._server: _Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def floor(self, settings: RedisPolicy, place: Place, turns: Sequence[bytes]) -> Tier | None:
        """The tier that the latest known of these turns of a conversation reached, latest first; None where none is."""
        server = self._of(settings)
        if server is None or not turns:
            return None
        keys = [server.key(place, turn) for turn in turns[:LOOK_BACK]]
        try:
            told = await server.reading.call(lambda: server.client.mget(keys))
        except StoreFailed:
            return None
        return next((tier for value in told if (tier := _BY_NAME.get(value)) is not None), None)

    def reach(self, settings: RedisPolicy, place: Place, tier: Tier) -> None:
        """Note, in the background, what the turn at `place` reached."""
        server = self._of(settings)
        if server is not None:
            self._run(self._write(server, server.key(place, place.turn), tier))

    async def _write(self, server: _Server, key: str, tier: Tier) -> None:
        client = server.client
        try:
            if tier is Tier.SIMPLE:  # which holds nothing up, as no key does, at no memory
                await server.writing.call(lambda: client.unlink(key))
            else:
                await server.writing.call(lambda: client.set(key, tier.value, px=self._ttl_ms))
        except StoreFailed as error:
            logger.debug("the tier of a turn is known to this worker only: %s", error.cause)

    async def settled(self) -> None:
        """Wait until everything noted has been written or given up."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def close(self) -> None:
        """Let go of the server; at the end of the process, when no loop runs, the system does."""
        server, self._server, self._settings = self._server, None, None
        if server is not None:
            self._run(server.client.aclose())

    def _of(self, settings: RedisPolicy) -> _Server | None:
        """The server of the policy in force."""
        if settings != self._settings:
            from custom_router.cache.redis_connect import BadRedisUrl

            self.close()
            self._settings = settings
            try:
                self._server = _Server(settings)
            except BadRedisUrl as error:
                logger.error("%s; conversations are known to each worker alone", error)
        return self._server

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            task = asyncio.get_running_loop().create_task(work)
        except RuntimeError:
            work.close()
            return
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
