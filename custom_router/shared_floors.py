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
    from custom_router.cache.guarded_redis import GuardedRedis

logger = logging.getLogger(__name__)

LOOK_BACK = 32
"""Turns that are asked for at once, the latest. Each was held to those before it."""
_BY_NAME = {tier.value.encode(): tier for tier in TIERS}


def _key(settings: RedisPolicy, place: Place, turn: bytes) -> str:
    """Name of a turn's tier. What is in braces is the same all through a conversation: a cluster keeps that on one
    node, which can be asked for all its turns at once."""
    return f"{settings.prefix}:turn:1:{{{place.opening.hex()}}}:{turn.hex()}"


class SharedFloors:
    """The tiers that turns reached in any worker, for `ttl_s` seconds each. For one event loop.

    What Redis does not say in time is not known, and what it does not take is not kept: neither is an error.
    """

    def __init__(self, ttl_s: float) -> None:
        """Not connected yet."""
        self._ttl_ms = max(1, int(ttl_s * 1000))
        self._settings: RedisPolicy | None = None
        self._redis: GuardedRedis | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def floor(self, settings: RedisPolicy, place: Place, turns: Sequence[bytes]) -> Tier | None:
        """The tier that the latest known of these turns of a conversation reached, latest first; None where none is."""
        redis = self._of(settings)
        if redis is None or not turns:
            return None
        keys = [_key(settings, place, turn) for turn in turns[:LOOK_BACK]]
        try:
            told = await redis.reading.call(lambda: redis.client.mget(keys))
        except StoreFailed:
            return None
        return next((tier for value in told if (tier := _BY_NAME.get(value)) is not None), None)

    def reach(self, settings: RedisPolicy, place: Place, tier: Tier) -> None:
        """Note, in the background, what the turn at `place` reached."""
        redis = self._of(settings)
        if redis is not None:
            self._run(self._write(redis, _key(settings, place, place.turn), tier))

    async def _write(self, redis: GuardedRedis, key: str, tier: Tier) -> None:
        try:
            if tier is Tier.SIMPLE:  # which holds nothing up, as no key does, at no memory
                await redis.writing.call(lambda: redis.client.unlink(key))
            else:
                await redis.writing.call(lambda: redis.client.set(key, tier.value, px=self._ttl_ms))
        except StoreFailed as error:
            logger.debug("the tier of a turn is known to this worker only: %s", error.cause)

    async def settled(self) -> None:
        """Wait until everything noted has been written or given up."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def close(self) -> None:
        """Let go of the server; at the end of the process, when no loop runs, the system does."""
        redis, self._redis, self._settings = self._redis, None, None
        if redis is not None:
            self._run(redis.client.aclose())

    def _of(self, settings: RedisPolicy) -> GuardedRedis | None:
        """The server of the policy in force."""
        if settings != self._settings:
            # Only who has a Redis loads its client.
            from custom_router.cache.guarded_redis import GuardedRedis
            from custom_router.cache.redis_connect import BadRedisUrl

            self.close()
            self._settings = settings
            try:
                self._redis = GuardedRedis(settings)
            except BadRedisUrl as error:
                logger.error("%s; conversations are known to each worker alone", error)
        return self._redis

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            task = asyncio.get_running_loop().create_task(work)
        except RuntimeError:
            work.close()
            return
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
