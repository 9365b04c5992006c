"""The Redis of the policy, asked in time or not at all."""

from __future__ import annotations

from typing import Any

from custom_router.cache.deadline import Guarded
from custom_router.cache.redis_connect import connect
from custom_router.policy.cache import RedisPolicy

WRITE_DEADLINES = 10
"""Deadlines that a write may take: no request waits for it."""
SOCKET_S = 2.0
"""Least seconds that the client itself waits for its socket, which counts the event loop's delay. The guards do not."""


class GuardedRedis:
    """A client, and what its calls are made through. For one event loop."""

    def __init__(self, settings: RedisPolicy) -> None:
        """Not connected yet. Raises `BadRedisUrl`."""
        deadline_s = settings.deadline_ms / 1000
        self._write_s = deadline_s * WRITE_DEADLINES
        self.client: Any = connect(settings.url, max(SOCKET_S, self._write_s))
        self.reading = Guarded(deadline_s)
        # Apart, because a server that is full refuses what is new and still answers what it has.
        self.writing = Guarded(self._write_s)

    @property
    def open(self) -> bool:
        """Whether reads or writes are refused for now."""
        return self.reading.open or self.writing.open

    def once(self) -> Guarded:
        """What makes a single write, also while the others are refused."""
        return Guarded(self._write_s)
