"""Records of requests under way, waiting for their outcome."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from cachetools import LRUCache

from custom_router.classify.opinion import Opinion
from custom_router.lifecycle import GateTicket, StoredAnswer
from custom_router.records.record import DecisionRecord
from custom_router.tiers import Tier

MAX_AGE_SECONDS = 1_800.0
MAX_PENDING = 100_000
MAX_ENDED = 1_000


@dataclass(slots=True)
class Pending:
    """A record without its outcome. `began` is when it arrived, by `time.perf_counter`, in seconds."""

    record: DecisionRecord
    began: float
    headers: dict[str, str]
    group_tier: dict[str, str]
    """Model group → tier under the policy that decided, so that a reload in between changes nothing."""
    ticket: GateTicket | None = None
    """What the gate knows of the request; None where its answer is not judged."""
    opinion: Opinion | None = None
    """What the vLLM classifier was asked; its answer may come after the decision."""
    hit: StoredAnswer | None = None
    """The stored answer to give; None where a tier is asked."""
    ended: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    """Set when the record is complete."""
    unaffordable: frozenset[Tier] = frozenset()
    """Tiers that the caller may have, but has not the budget for."""
    blind: frozenset[Tier] = frozenset()
    """Tiers that do not take the request's image."""

    @property
    def barred(self) -> frozenset[Tier]:
        """Tiers to which no fallback leads."""
        return self.unaffordable | self.blind


class PendingRecords:
    """Requests under way, by an unguessable token. Taking one out is what makes its record unique: whoever of the
    several LiteLLM events comes first ends the request, and the rest find nothing."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._held: OrderedDict[str, Pending] = OrderedDict()
        self._ended: LRUCache[str, dict[str, str]] = LRUCache(MAX_ENDED)
        self._lock = threading.Lock()

    def put(self, token: str, pending: Pending) -> None:
        """Hold a request until it is taken."""
        with self._lock:
            self._held[token] = pending

    def get(self, token: str) -> Pending | None:
        """Look without taking."""
        return self._held.get(token)

    def take(self, token: str) -> Pending | None:
        """Take a request out: its end has come. None when it has already ended."""
        with self._lock:
            return self._held.pop(token, None)

    def remember_ended(self, token: str, headers: dict[str, str]) -> None:
        """Keep the headers of a request that has ended, for as long as 1,000 more have not."""
        with self._lock:
            self._ended[token] = headers

    def ended_headers(self, token: str) -> dict[str, str] | None:
        """Headers of a request that ended lately."""
        with self._lock:
            return self._ended.get(token)

    def expired(self) -> Iterator[Pending]:
        """Take out requests too old to still end, or too many to hold, oldest first."""
        horizon = self._clock() - MAX_AGE_SECONDS
        while True:
            with self._lock:
                token, oldest = next(iter(self._held.items()), (None, None))
                if token is None or oldest is None or (oldest.began > horizon and len(self._held) <= MAX_PENDING):
                    return
                del self._held[token]
            yield oldest

    def drain(self) -> Iterator[Pending]:
        """Take out everything, at shutdown."""
        while True:
            with self._lock:
                if not self._held:
                    return
                _, pending = self._held.popitem(last=False)
            yield pending

    def __len__(self) -> int:
        return len(self._held)
