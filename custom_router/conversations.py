"""Which tier a conversation and each of its turns have been given, remembered for a while."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable

from cachetools import TTLCache

from custom_router.tiers import Tier, higher


class Conversations:
    """Highest tier per conversation fingerprint, and the tier of each turn, in this worker's memory.

    Bounded, twice `capacity` at most, and forgetful of the idle. Safe from several threads. `timer` counts seconds.
    """

    def __init__(self, *, capacity: int, ttl_s: float, timer: Callable[[], float] = time.monotonic) -> None:
        self._reached: TTLCache[str, Tier] = TTLCache(maxsize=capacity, ttl=ttl_s, timer=timer)
        self._settled: TTLCache[bytes, Tier] = TTLCache(maxsize=capacity, ttl=ttl_s, timer=timer)
        self._lock = threading.Lock()

    def floor(self, fingerprint: str) -> Tier | None:
        """The tier reached so far, or None for an unknown conversation."""
        with self._lock:
            return self._reached.get(fingerprint)

    def reach(self, fingerprint: str, tier: Tier) -> None:
        """Note that a turn was sent to `tier`; the time to live begins anew."""
        with self._lock:
            known = self._reached.pop(fingerprint, None)
            self._reached[fingerprint] = higher(known, tier) if known else tier

    def settled(self, turn: bytes) -> Tier | None:
        """The tier that a turn was given, by its `turn_key`."""
        with self._lock:
            return self._settled.get(turn)

    def settle(self, turn: bytes, tier: Tier) -> None:
        """Note the tier of a turn; the time to live begins anew."""
        with self._lock:
            self._settled[turn] = tier

    def __len__(self) -> int:
        with self._lock:
            return len(self._reached)


def turn_key(fingerprint: str, asked: str) -> bytes:
    """Identify a turn of a conversation by what it asks (16 bytes)."""
    text = f"{fingerprint}\0{asked.strip()}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16).digest()
