"""A deadline and a circuit breaker around calls to a store that may be slow, full or gone."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from circuitbreaker import CircuitBreaker, CircuitBreakerError
from redis.exceptions import RedisError

from custom_router.cache.base import StoreFailed
from custom_router.causes import Cause
from custom_router.fair_timeout import fair_timeout

logger = logging.getLogger(__name__)

T = TypeVar("T")

FAILURES_TO_OPEN = 8
OPEN_SECONDS = 2


class Guarded:
    """Makes calls in time or not at all. After 8 failures in a row none is tried for 2 s: a hung store would cost every
    request its whole deadline."""

    def __init__(self, deadline_s: float, *, failures: int = FAILURES_TO_OPEN, open_s: float = OPEN_SECONDS) -> None:
        self._deadline_s = deadline_s
        self._breaker = CircuitBreaker(
            failure_threshold=failures,
            recovery_timeout=open_s,
            expected_exception=(TimeoutError, RedisError, OSError),
            name="cache",
        )
        # The breaker refuses calls only through what it decorates.
        self._run = self._breaker(self._in_time)

    @property
    def open(self) -> bool:
        """Whether calls are refused for now."""
        return bool(self._breaker.opened)

    async def call(self, work: Callable[[], Awaitable[T]]) -> T:
        """Await `work()`. Raises `StoreFailed`: late, refused, unreachable, or not tried at all."""
        try:
            result: T = await self._run(work)
        except CircuitBreakerError as error:
            raise StoreFailed(Cause.CACHE_BREAKER_OPEN) from error
        except TimeoutError as error:
            raise StoreFailed(Cause.CACHE_TIMEOUT) from error
        except (RedisError, OSError) as error:
            # redis-py has a TimeoutError of its own, for its socket's.
            late = "timeout" in type(error).__name__.lower()
            logger.debug("cache store: %s", type(error).__name__)
            raise StoreFailed(Cause.CACHE_TIMEOUT if late else Cause.CACHE_UNAVAILABLE, str(error)) from error
        return result

    async def _in_time(self, work: Callable[[], Awaitable[T]]) -> T:
        async with fair_timeout(self._deadline_s):
            return await work()
