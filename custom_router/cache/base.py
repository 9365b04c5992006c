"""The `CacheStore` seam, and what passes through it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from heapq import nsmallest
from itertools import islice
from typing import Protocol

from custom_router.cache.flights import Flight
from custom_router.causes import Cause
from custom_router.classify.base import Vector
from custom_router.tiers import Tier


class Status(StrEnum):
    """What the cache did for a request."""

    HIT = "hit"
    MISS = "miss"
    BYPASS = "bypass"


class Kind(StrEnum):
    """How a stored answer was recognised."""

    EXACT = "exact"
    SEMANTIC = "semantic"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer worth giving again. `payload` is what serves it, in the server's own form (UTF-8 JSON)."""

    payload: bytes
    model: str
    tier: Tier
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """One stored answer. `id` is the SHA-256 (hex) of its partition and its question's canonical text.

    `text` and `vector` are None where only the same text may be recognised. `created` is in seconds since the epoch.
    """

    id: str
    partition: str
    tenant: str
    answer: Answer
    created: float
    ttl_s: float
    namespace: str
    policy_version: str
    domain: str | None = None
    text: str | None = None
    vector: Vector | None = field(default=None, compare=False)

    def expired(self, now: float) -> bool:
        """Whether its time to live has passed."""
        return now >= self.created + self.ttl_s


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A stored question near to the one asked, its cosine with it.

    `entry` is there where the store had to read it anyway; otherwise `get` fetches it.
    """

    id: str
    text: str
    similarity: float
    entry: Entry | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Selector:
    """Which entries to drop or list: those for which every given condition holds. None given: all.

    `tenant` is a label such as `team:support`. `like` picks the entries whose question has at least the cosine
    `least_similarity` with a text; a store reads `vector`, which the cache fills in.
    """

    entry_id: str | None = None
    tenant: str | None = None
    older_than_s: float | None = None
    tier: Tier | None = None
    domain: str | None = None
    model: str | None = None
    namespace: str | None = None
    policy_version: str | None = None
    like: str | None = None
    least_similarity: float = 0.9
    vector: Vector | None = field(default=None, compare=False)

    def picks(self, entry: Entry, now: float) -> bool:
        """Whether every condition holds for `entry`."""
        near = self.vector is None or (
            entry.vector is not None and float(self.vector @ entry.vector) >= self.least_similarity
        )
        return (
            near
            and self.entry_id in (None, entry.id)
            and self.tenant in (None, entry.tenant)
            and (self.older_than_s is None or now - entry.created > self.older_than_s)
            and self.tier in (None, entry.answer.tier)
            and self.domain in (None, entry.domain)
            and self.model in (None, entry.answer.model)
            and self.namespace in (None, entry.namespace)
            and self.policy_version in (None, entry.policy_version)
        )


Cursor = tuple[float, str]
"""Where a listing went no further: when its last entry was created, and that entry's id."""


def newest(entries: Iterable[Entry], limit: int, after: Cursor | None) -> list[Entry]:
    """At most `limit` of the entries, newest first, from what comes after a cursor on."""

    def rank(created: float, entry_id: str) -> Cursor:
        return -created, entry_id

    left = (entry for entry in entries if after is None or rank(entry.created, entry.id) > rank(*after))
    return nsmallest(limit, left, key=lambda entry: rank(entry.created, entry.id))


class Invalidations:
    """A store's invalidations, by this worker and by those that share the store, as this one learnt of them.

    An answer that was under way when its like was dropped must not be kept afterwards.
    """

    REMEMBERED = 1_000
    """Selectors held; one with a vector takes some 2 KB."""

    def __init__(self) -> None:
        self._last: deque[Selector] = deque(maxlen=self.REMEMBERED)
        self.count = 0
        """How many there have been: who goes upstream remembers it, as `since` below."""

    def note(self, selector: Selector) -> None:
        """What it picks is being dropped."""
        self._last.append(selector)
        self.count += 1

    def took(self, entry: Entry, since: int, now: float) -> bool:
        """Whether one after the first `since` picks the entry; one that is forgotten counts as if it did."""
        missed = self.count - since
        if missed > len(self._last):
            return True
        return any(selector.picks(entry, now) for selector in islice(reversed(self._last), missed))


class StoreFailed(Exception):
    """The store could not answer in time, or at all. `cause` says why; the request goes on without the cache."""

    def __init__(self, cause: Cause, detail: str = "") -> None:
        super().__init__(detail or cause.value)
        self.cause = cause


class CacheStore(Protocol):
    """Where entries live. Partitions never meet: each call but `drop` and `find` looks into one.

    Every coroutine may raise `StoreFailed`, and keeps to its own deadline.
    """

    @property
    def invalidations(self) -> Invalidations:
        """What was dropped. When `put` returns, every drop that may have missed the new entry is noted here."""
        ...

    def holds(self, partition: str) -> bool:
        """Whether the partition may have an entry with a vector: False spares the embedding."""
        ...

    async def get(self, partition: str, entry_id: str) -> Entry | None:
        """The entry, if it is there and has not expired."""
        ...

    async def nearest(self, partition: str, vector: Vector, limit: int) -> Sequence[Neighbour]:
        """At most `limit` questions, most similar first; the cosines are exact."""
        ...

    async def put(self, entry: Entry) -> None:
        """Store or replace an entry."""
        ...

    async def drop(self, selector: Selector) -> int:
        """Remove the entries picked, in every worker; their number."""
        ...

    async def find(self, selector: Selector, limit: int, after: Cursor | None = None) -> list[Entry]:
        """At most `limit` entries picked, newest first; with `after`, those that come after it."""
        ...

    def stats(self) -> dict[str, int]:
        """`entries`, `bytes`, `tenants`, `evictions`, and what else the store counts."""
        ...

    async def close(self) -> None:
        """Let go of files, threads and connections."""
        ...


@dataclass(frozen=True, slots=True)
class Lookup:
    """What the cache found for one request.

    `entry` is there for a hit. At a miss, `similarity`, `p_same`, `entry_id` and `guard` tell of the nearest question
    that was refused, if any; at a bypass, `guard` says why. `vector` is the question's, where it was computed: give it
    to `store`. `causes` are failures of the cache's own, which cost the request nothing but its hit.
    """

    status: Status
    kind: Kind | None = None
    entry: Entry | None = None
    similarity: float | None = None
    p_same: float | None = None
    entry_id: str | None = None
    age_s: float | None = None
    guard: str | None = None
    vector: Vector | None = None
    causes: tuple[Cause, ...] = ()
    flight: Flight | None = field(default=None, compare=False)
    """Where this request leads: others wait until it is landed."""
    waited: bool = False
    """Whether the request waited for the very same one, already under way."""
