"""How long each question occupied a server that answers several at once. Pure."""

from __future__ import annotations


class Occupancy:
    """Shares the server's busy time among the questions under way: while n are, each is charged the n-th part. The
    shares add up to the time in which any question was under way."""

    def __init__(self) -> None:
        self._under_way = 0
        self._at = 0.0
        self._shared = 0.0
        """Seconds charged to a question that had been under way from the beginning."""

    def enter(self, now: float) -> float:
        """A question begins, at `now` in seconds. The mark to leave with."""
        self._advance(now)
        self._under_way += 1
        return self._shared

    def leave(self, mark: float, now: float) -> float:
        """A question has ended: the seconds charged to it."""
        self._advance(now)
        self._under_way -= 1
        return self._shared - mark

    def _advance(self, now: float) -> None:
        if self._under_way:
            self._shared += (now - self._at) / self._under_way
        self._at = now
