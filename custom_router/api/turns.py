"""How many may do at once what costs the proxy something."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import HTTPException

from custom_router.api.visitor import Visitor


class Turns:
    """Lets few in at once, has some wait, and refuses the rest; virtual keys and administrators each by themselves, so
    that neither can keep the other out. For one event loop."""

    def __init__(self, what: str, *, at_once: int, waiting: int, deadline_s: float) -> None:
        self._what = what
        self._most = at_once + waiting
        self._deadline_s = deadline_s
        self._free = {admin: asyncio.Semaphore(at_once) for admin in (False, True)}
        self._here = {False: 0, True: 0}

    @asynccontextmanager
    async def one(self, visitor: Visitor) -> AsyncIterator[None]:
        """One turn. Raises `HTTPException` 503 where too many wait, and where it takes too long."""
        lane = visitor.admin
        if self._here[lane] >= self._most:
            raise HTTPException(503, f"too many {self._what} are asked for; try again in a moment")
        self._here[lane] += 1
        try:
            async with asyncio.timeout(self._deadline_s), self._free[lane]:
                yield
        except TimeoutError:
            raise HTTPException(503, f"no {self._what} within {self._deadline_s:g} s: too much is going on") from None
        finally:
            self._here[lane] -= 1
