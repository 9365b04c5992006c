"""Which tier each turn of a conversation has been given, remembered for a while."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import takewhile

from cachetools import TTLCache

from custom_router.request import RequestView, Turn
from custom_router.tiers import Tier


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request stands in its conversation.

    `turn` names what it asks, `answered` the turns in it that an assistant has answered, latest first: requests of
    their own once, unless a client made them up, as the examples of a template are. In a tool loop `turn` is the first
    of them. A name hashes tenant, system prompt and every user turn up to its own (16 bytes).
    """

    turn: bytes
    answered: tuple[bytes, ...]

    @property
    def opening(self) -> bytes:
        """Its first turn, which names the conversation."""
        return self.answered[-1] if self.answered else self.turn


def place(view: RequestView, tenant: str) -> Place:
    """Where a request of `tenant` stands."""
    digest = hashlib.blake2b(digest_size=16)

    def add(text: str) -> None:
        encoded = text.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)

    for part in (tenant, view.system, view.resumes or ""):
        add(part)
    answered: list[bytes] = []
    asked = False
    before_loop = len(view.history) - view.loop
    for turn in (*view.history[:before_loop], Turn("user", view.text), *view.history[before_loop:]):
        if turn.role == "user":
            add(turn.text.strip())
            asked = True
        elif turn.role == "assistant" and asked:
            answered.append(digest.digest())
            asked = False
    return Place(digest.digest(), tuple(reversed(answered)))


class Conversations:
    """The tier of each turn, in this worker's memory: the one it was decided, which those after it do not drop below,
    and the one that answered it in the end, which what continues it keeps.

    Bounded, twice `capacity` at most, and forgetful of the idle. Safe from several threads. `timer` counts seconds.
    """

    def __init__(self, *, capacity: int, ttl_s: float, timer: Callable[[], float] = time.monotonic) -> None:
        self._reached: TTLCache[bytes, Tier] = TTLCache(maxsize=capacity, ttl=ttl_s, timer=timer)
        self._settled: TTLCache[bytes, Tier] = TTLCache(maxsize=capacity, ttl=ttl_s, timer=timer)
        self._lock = threading.Lock()

    def floor(self, answered: Iterable[bytes]) -> Tier | None:
        """The tier that the latest known of these turns reached, or None where none is known.

        Not the highest: each turn was held to those before it, and an early one that many conversations share, a bare
        "Hi", says less of this one.
        """
        with self._lock:
            return next((tier for turn in answered if (tier := self._reached.get(turn)) is not None), None)

    def unknown(self, answered: Iterable[bytes]) -> list[bytes]:
        """Those of the turns that are later than the latest known, latest first."""
        with self._lock:
            return list(takewhile(lambda turn: self._reached.get(turn) is None, answered))

    def reach(self, turn: bytes, tier: Tier) -> None:
        """Note that a turn was decided to go to `tier`; the time to live begins anew. Asked again, the last counts."""
        with self._lock:
            self._reached[turn] = tier

    def settled(self, turn: bytes) -> Tier | None:
        """The tier that a turn was given."""
        with self._lock:
            return self._settled.get(turn)

    def settle(self, turn: bytes, tier: Tier) -> None:
        """Note the tier of a turn; the time to live begins anew."""
        with self._lock:
            self._settled[turn] = tier

    def __len__(self) -> int:
        with self._lock:
            return len(self._reached)
