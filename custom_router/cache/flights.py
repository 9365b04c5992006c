"""Single flight: of several requests for the same thing, one goes upstream and the others wait for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


class Flights:
    """Requests under way by key, in one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._under_way: dict[str, tuple[asyncio.Future[None], float]] = {}

    async def lead(self, key: str, patience_s: float) -> bool:
        """True at once where nobody is under way: the caller now is, and must `land`.

        Otherwise waits until that one lands, `patience_s` at most, and returns False: look again, then call again.
        """
        held = self._under_way.get(key)
        left = held[1] + patience_s - self._clock() if held else 0.0
        if held is None or left <= 0:
            # One that never landed, its client being gone, say, must not hold up the next.
            self._under_way[key] = (asyncio.get_running_loop().create_future(), self._clock())
            return True
        await asyncio.wait([held[0]], timeout=left)
        return False

    def land(self, key: str) -> None:
        """The request is over, whatever came of it; those who wait go on."""
        held = self._under_way.pop(key, None)
        if held is not None and not held[0].done():
            held[0].set_result(None)

    def __len__(self) -> int:
        return len(self._under_way)
