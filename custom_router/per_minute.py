"""How often each of many may do something in a minute, in one process."""

from __future__ import annotations

import time

from cachetools import LRUCache

_REMEMBERED = 10_000


class PerMinute:
    """Counts by calendar minute of the process's clock. For one event loop."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._counts: LRUCache[tuple[str, int], int] = LRUCache(_REMEMBERED)

    def admit(self, who: str) -> bool:
        """Whether `who` may do it once more now; counted if so."""
        minute = (who, int(time.monotonic() // 60))
        taken = self._counts.get(minute, 0)
        if taken >= self.most:
            return False
        self._counts[minute] = taken + 1
        return True
