"""The last requests of this worker, in memory only, with what it takes to decide them again under another policy."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, replace

from custom_router.decision import Basis, Decision, Reading
from custom_router.policy import Caller
from custom_router.request import head_and_tail

KEPT = 500
"""Requests."""
CHARACTERS = 2_000_000
"""Of text, of all of them together: 2 to 8 MB. Longer texts leave room for fewer requests."""
_JUDGED_CHARS = 8_000
_SHORT = 40


@dataclass(frozen=True, slots=True)
class RecentRequest:
    """One request without its texts but for those that rules and models read, each cut as these cut it."""

    request_id: str
    basis: Basis
    caller: Caller
    reading: Reading | None
    hit: bool
    """Whether a stored answer was given, which costs nothing at any tier."""

    @property
    def characters(self) -> int:
        """How much text it holds."""
        return len(self.basis.searched) + len(self.basis.judged.text)


class RecentRequests:
    """A ring that forgets the oldest. Threads may share it."""

    def __init__(self, kept: int = KEPT, characters: int = CHARACTERS) -> None:
        self._kept, self._room = kept, characters
        self._held: deque[RecentRequest] = deque()
        self._characters = 0
        self._lock = threading.Lock()

    def add(self, request_id: str, decision: Decision, caller: Caller, hit: bool) -> None:
        """Keep a request that has been decided; one decided without looking at it (the router is off) is not."""
        if decision.basis is None:
            return
        reading = decision.reading
        if reading is not None and reading.opinion is not None:
            reading = replace(reading, opinion=None)
        made = RecentRequest(request_id, _slim(decision.basis), caller, reading, hit)
        with self._lock:
            self._held.append(made)
            self._characters += made.characters
            while len(self._held) > self._kept or self._characters > self._room:
                self._characters -= self._held.popleft().characters

    def newest_first(self) -> list[RecentRequest]:
        """All that is kept."""
        with self._lock:
            return list(reversed(self._held))


def _slim(basis: Basis) -> Basis:
    judged = basis.judged
    # A short turn is read together with the one before it, which is not kept.
    text = judged.bounded if len(judged.text) < _SHORT else head_and_tail(judged.text, _JUDGED_CHARS)
    slim = replace(judged, text=text, system="", history=())
    return Basis(replace(basis.view, text="", system="", history=()), slim, basis.searched, basis.around)
