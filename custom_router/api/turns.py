"""How many may do at once, and how often, what costs the proxy something."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import HTTPException

from custom_router.api.visitor import Visitor
from custom_router.per_minute import PerMinute


class Turns:
    """Lets few in at once, has some wait, and refuses the rest; virtual keys and administrators each by themselves, so
    that neither can keep the other out. Of those places one team, or one key without a team, has at most `share`, so
    that it cannot keep other teams out. For one event loop."""

    def __init__(self, what: str, *, at_once: int, waiting: int, share: int, deadline_s: float) -> None:
        self._what = what
        self._most = at_once + waiting
        self._share = share
        self._deadline_s = deadline_s
        self._free = {admin: asyncio.Semaphore(at_once) for admin in (False, True)}
        self._here = {False: 0, True: 0}
        self._groups: Counter[str] = Counter()

    @asynccontextmanager
    async def one(self, visitor: Visitor) -> AsyncIterator[None]:
        """One turn. Raises `HTTPException` 503 where too many wait, and where it takes too long."""
        lane, group = visitor.admin, visitor.group
        if self._here[lane] >= self._most or (not lane and self._groups[group] >= self._share):
            raise HTTPException(503, f"too many {self._what} are asked for; try again in a moment")
        self._here[lane] += 1
        self._groups[group] += 1
        try:
            async with asyncio.timeout(self._deadline_s), self._free[lane]:
                yield
        except TimeoutError:
            raise HTTPException(503, f"no {self._what} within {self._deadline_s:g} s: too much is going on") from None
        finally:
            self._here[lane] -= 1
            self._groups[group] -= 1
            self._groups += Counter()  # names that hold none are forgotten


def admit(visitor: Visitor, rate: PerMinute, what: str) -> None:
    """Count one more of a key's; administrators are not counted. Raises `HTTPException` 429."""
    if not visitor.admin and not rate.admit(visitor.tenant.key or visitor.group):
        raise HTTPException(429, f"a key may ask for {rate.most} {what} a minute", {"retry-after": "60"})
