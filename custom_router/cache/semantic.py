"""The cache itself: exact match, nearest questions, proof that they mean the same."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from custom_router.cache.base import Answer, CacheStore, Entry, Kind, Lookup, Selector, Status, StoreFailed
from custom_router.cache.eligible import Ineligible
from custom_router.cache.equivalence import Equivalence
from custom_router.cache.flights import Flight, Flights
from custom_router.cache.key import CacheRequest
from custom_router.causes import Cause
from custom_router.classify.base import Vector
from custom_router.encoder.worker import EncodingFailed
from custom_router.policy.cache import CachePolicy

NEIGHBOURS = 4
"""Questions that are looked at. The right one is nearly always among the first; each further one is a chance to err."""

Encode = Callable[[str], Awaitable[Vector]]
"""A text's unit vector; raises `EncodingFailed`."""
Unfit = Callable[[Entry], str | None]
"""Why an entry is not for this request, whatever its text; None where it is."""


def _fits(_: Entry) -> None:
    return None


class SemanticCache:
    """Looks up, stores and invalidates answers. Its own failures are causes in what it returns, never exceptions."""

    def __init__(
        self,
        store: CacheStore,
        encode: Encode,
        policy: CachePolicy,
        clock: Callable[[], float] = time.time,
        equivalence: Callable[[str], Equivalence] = Equivalence.shipped,
    ) -> None:
        """`clock` gives seconds since the epoch, `equivalence` the judge for an encoder version."""
        self.store_ = store
        self.policy = policy
        self._encode = encode
        self._clock = clock
        self._equivalence = equivalence
        self._flights = Flights()

    async def lookup(self, request: CacheRequest, unfit: Unfit = _fits) -> Lookup:
        """The stored answer to the request, if there is one. One that is `unfit` is a miss, and the reason its guard.

        What it returns may hold a `flight`: the caller must `store` an answer with it or `abandon` it, because others
        of this worker who ask the same wait for it.
        """
        if request.refused is not None:
            return Lookup(Status.BYPASS, guard=request.refused.value)
        found = await self._look(request, None, unfit)
        # A store that fails would not hand the answer on.
        if found.status is Status.HIT or found.causes or not self.policy.single_flight_s:
            return found
        flight = await self._flights.lead(request.entry_id, self.policy.single_flight_s)
        if flight is not None:
            return replace(found, flight=flight)
        # Once only: where the answer could not be stored, those who waited would go upstream one after another.
        return replace(await self._look(request, found.vector, unfit), waited=True)

    async def peek(self, request: CacheRequest, encode: Encode, unfit: Unfit = _fits) -> Lookup:
        """What a lookup would find now, read by an encoder that may take its time. Who peeks is not under way for the
        question."""
        if request.refused is not None:
            return Lookup(Status.BYPASS, guard=request.refused.value)
        return await self._look(request, None, unfit, encode)

    async def _look(
        self, request: CacheRequest, vector: Vector | None, unfit: Unfit, encode: Encode | None = None
    ) -> Lookup:
        found = await self._found(request, vector, encode or self._encode)
        refusal = unfit(found.entry) if found.entry is not None else None
        return found if refusal is None else replace(found, status=Status.MISS, entry=None, guard=refusal)

    async def _found(self, request: CacheRequest, vector: Vector | None, encode: Encode) -> Lookup:
        try:
            entry = await self.store_.get(request.partition, request.entry_id)
            if entry is not None:
                return self._hit(entry, Kind.EXACT, 1.0, 1.0, vector)
            if not request.semantic or not self.store_.holds(request.partition):
                return Lookup(Status.MISS, vector=vector)
            if vector is None:
                vector = await encode(request.text.strip())
            return await self._search(request, vector)
        except StoreFailed as failure:
            return Lookup(Status.MISS, vector=vector, causes=(failure.cause,))
        except EncodingFailed as failure:
            return Lookup(Status.MISS, causes=(failure.cause,))

    async def _search(self, request: CacheRequest, vector: Vector) -> Lookup:
        equivalence = self._equivalence(request.encoder_version)
        refused: Lookup | None = None
        for near in await self.store_.nearest(request.partition, vector, NEIGHBOURS):
            verdict = equivalence.judge(
                near.text, request.text, near.similarity, request.language, self.policy.max_error
            )
            if verdict.guard is None:
                entry = near.entry or await self.store_.get(request.partition, near.id)
                # The text that was judged, not what somebody put in its place meanwhile.
                if entry is not None and entry.text == near.text:
                    return self._hit(entry, Kind.SEMANTIC, near.similarity, verdict.p_same, vector)
            elif refused is None:
                refused = Lookup(
                    Status.MISS,
                    similarity=near.similarity,
                    p_same=verdict.p_same,
                    entry_id=near.id,
                    guard=verdict.guard,
                    vector=vector,
                )
        return refused or Lookup(Status.MISS, vector=vector)

    def _hit(self, entry: Entry, kind: Kind, similarity: float, p_same: float, vector: Vector | None) -> Lookup:
        age = max(0.0, self._clock() - entry.created)
        return Lookup(Status.HIT, kind, entry, similarity, p_same, entry.id, age, vector=vector)

    async def store(
        self,
        request: CacheRequest,
        answer: Answer,
        vector: Vector | None = None,
        *,
        since: int | None = None,
        flight: Flight | None = None,
    ) -> tuple[str | None, Ineligible | Cause | None]:
        """Keep an answer that was accepted: its entry's id, or why it was not kept. Ends the request's own `flight`.

        `since` is the store's count of invalidations when the answer was asked for; None: it is as good as new.
        """
        dropped = self.store_.invalidations
        since = dropped.count if since is None else since
        try:
            if request.refused is not None:
                return None, request.refused
            if len(answer.payload) > self.policy.answer_kb * 1024:
                return None, Ineligible.ANSWER_TOO_LONG
            if request.semantic and vector is None:
                try:
                    vector = await self._encode(request.text.strip())
                except EncodingFailed:
                    vector = None  # the same text will still be recognised
            entry = self._entry(request, answer, vector if request.semantic else None)
            if dropped.took(entry, since, self._clock()):
                return None, Ineligible.ANSWER_INVALIDATED
            await self.store_.put(entry)
            if dropped.took(entry, since, self._clock()):  # while it was written
                await self.store_.drop(Selector(entry_id=entry.id))
                return None, Ineligible.ANSWER_INVALIDATED
        except StoreFailed as failure:
            return None, failure.cause
        finally:
            self.abandon(flight)
        return request.entry_id, None

    def abandon(self, flight: Flight | None) -> None:
        """The request ended without an answer to keep; those who wait for it go on. None: it never led, nobody does."""
        if flight is not None:
            self._flights.land(flight)

    def _entry(self, request: CacheRequest, answer: Answer, vector: Vector | None) -> Entry:
        minutes = self.policy.ttl_minutes
        if request.domain is not None:
            minutes = self.policy.domain_ttl_minutes.get(request.domain, minutes)
        return Entry(
            id=request.entry_id,
            partition=request.partition,
            tenant=request.tenant,
            answer=answer,
            created=self._clock(),
            ttl_s=minutes * 60,
            namespace=request.namespace,
            policy_version=request.policy_version,
            domain=request.domain,
            text=request.text if self.policy.store_text else None,
            vector=vector,
        )

    async def resolved(self, selector: Selector) -> Selector:
        """The selector with the vector of its `like`. Raises `EncodingFailed`."""
        if selector.like is None or selector.vector is not None:
            return selector
        return replace(selector, vector=await self._encode(selector.like.strip()))

    async def invalidate(self, selector: Selector) -> int:
        """Drop the entries picked, in every worker; their number. Raises `StoreFailed` and `EncodingFailed`: who
        invalidates must know when it did not happen."""
        return await self.store_.drop(await self.resolved(selector))

    async def close(self) -> None:
        """Let go of the store."""
        await self.store_.close()
