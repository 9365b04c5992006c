"""Single flight: of several requests for the same thing, one goes upstream and the others wait for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, eq=False)
class Flight:
    """One request's lead. Only who holds it can end it."""

    key: str
    began: float
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Flights:
    """Requests under way by key, in one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._under_way: dict[str, Flight] = {}

    async def lead(self, key: str, patience_s: float) -> Flight | None:
        """A flight at once where nobody is under way: the caller now is, and must `land` it.

        Otherwise waits until that one lands, `patience_s` from its start at most, and returns None: look again.
        """
        held = self._under_way.get(key)
        left = held.began + patience_s - self._clock() if held else 0.0
        if held is None or left <= 0:
            # One that never landed, its client being gone, say, must not hold up the next.
            flight = self._under_way[key] = Flight(key, self._clock())
            return flight
        try:
            async with asyncio.timeout(left):
                await held.over.wait()
        except TimeoutError:
            pass
        return None

    def land(self, flight: Flight) -> None:
        """The request is over, whatever came of it; those who wait for it go on. Once or more often."""
        if self._under_way.get(flight.key) is flight:
            del self._under_way[flight.key]
        flight.over.set()

    def __len__(self) -> int:
        return len(self._under_way)
