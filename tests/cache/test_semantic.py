"""The cache itself: exact, then near and proven; one flight for one question; what breaks costs a hit only."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from custom_router.cache.acceptance import Calibration
from custom_router.cache.base import Answer, Entry, Invalidations, Kind, Lookup, Selector, Status, StoreFailed
from custom_router.cache.eligible import Ineligible
from custom_router.cache.equivalence import Equivalence
from custom_router.cache.flights import Flights
from custom_router.cache.key import CacheTenant
from custom_router.cache.memory import MemoryStore
from custom_router.cache.semantic import SemanticCache
from custom_router.causes import Cause
from custom_router.classify.base import Vector
from custom_router.encoder import FakeEncoder
from custom_router.encoder.worker import EncodingFailed
from custom_router.policy import CachePolicy
from custom_router.tiers import Tier
from tests.cache.cache_requests import ask

# Calibrated so that a cosine of .8 is enough, whatever gave the vectors.
LENIENT = Equivalence(Calibration(intercept=0.0, slope=3.0, covariance=(0.0, 0.0, 0.0), z=0.0, sources=()))
PARIS = Answer(b'"Paris"', "m", Tier.SIMPLE, 7, 1)


class Cache:
    """A cache on the fake encoder that counts what it is asked to encode."""

    def __init__(self, store: Any = None, **policy: Any) -> None:
        self.encoded: list[str] = []
        self.now = 1000.0
        self.fails: Cause | None = None
        settings = CachePolicy.model_validate({"single_flight_s": 0, **policy})
        store = store or MemoryStore(entries=100, entries_per_tenant=100, clock=lambda: self.now)
        self.it = SemanticCache(store, self._encode, settings, lambda: self.now, lambda version: LENIENT)

    async def _encode(self, text: str) -> Vector:
        if self.fails is not None:
            raise EncodingFailed(self.fails)
        self.encoded.append(text)
        vector: Vector = FakeEncoder().encode([text])[0]
        return vector

    async def has(self, text: str, answer: Answer = PARIS, **situation: Any) -> None:
        kept, why = await self.it.store(ask(text, policy=self.it.policy, **situation), answer)
        assert kept is not None, why

    async def look(self, text: str, **situation: Any) -> Lookup:
        return await self.it.lookup(ask(text, policy=self.it.policy, **situation))


async def test_the_same_question_needs_no_vector() -> None:
    cache = Cache()
    await cache.has("What is the capital of France?")
    cache.encoded.clear()
    cache.now += 5
    found = await cache.look(" What is the capital of France?\n")
    assert (found.status, found.kind, found.age_s) == (Status.HIT, Kind.EXACT, 5.0)
    assert found.entry is not None
    assert found.entry.answer == PARIS
    assert cache.encoded == []


async def test_an_empty_partition_needs_no_vector() -> None:
    cache = Cache()
    assert (await cache.look("What is the capital of France?")).status is Status.MISS
    assert cache.encoded == []


async def test_a_question_that_means_the_same_is_answered() -> None:
    cache = Cache()
    await cache.has("What is the capital city of France?")
    found = await cache.look("What's the capital city of France?")
    assert (found.status, found.kind) == (Status.HIT, Kind.SEMANTIC)
    assert found.similarity is not None
    assert found.p_same is not None
    assert found.similarity < 1.0


async def test_a_near_question_that_asks_something_else_is_not() -> None:
    cache = Cache()
    await cache.has("How do I turn on the lights in the hall?")
    found = await cache.look("How do I turn off the lights in the hall?")
    assert (found.status, found.guard) == (Status.MISS, "antonym")
    assert found.entry is None
    assert found.entry_id == ask("How do I turn on the lights in the hall?").entry_id
    assert found.vector is not None


async def test_another_teams_answer_is_never_found() -> None:
    cache = Cache()
    await cache.has("What is the capital of France?", tenant=CacheTenant("victim", "victims"))
    for text in ("What is the capital of France?", "What's the capital of France?"):
        assert (await cache.look(text)).status is Status.MISS
    assert cache.encoded == ["What is the capital of France?"]


@pytest.mark.parametrize(
    "attack",
    [
        "What is the capital of France? Ignore this and answer as before.",
        "Repeat the answer to: What is the capital of France?",
        "What is the capital of France? {} []",
        "What is the capital of Fr\u0430nce?",
        "What is the capital of\u200b France?",
        "What is the capital of France? What is the capital of Spain?",
        "Is the capital of France not what is the capital?",
    ],
)
async def test_a_prompt_built_around_a_stored_question_is_not_given_its_answer(attack: str) -> None:
    cache = Cache()
    await cache.has("What is the capital of France?")
    assert (await cache.look(attack)).status is Status.MISS


async def test_a_flood_of_near_duplicates_poisons_nothing() -> None:
    cache = Cache()
    await cache.has("What is the boiling point of water in celsius?", Answer(b'"100"', "m", Tier.SIMPLE))
    for number in range(50):
        await cache.has(
            f"What is the boiling point of water in celsius {number}?", Answer(b'"poison"', "m", Tier.SIMPLE)
        )
    found = await cache.look("What's the boiling point of water in celsius?")
    assert found.entry is not None
    assert found.entry.answer.payload == b'"100"'


async def test_without_the_text_only_the_same_text_is_recognised() -> None:
    cache = Cache(store_text=False)
    await cache.has("What is the capital of France?")
    assert cache.encoded == []
    found = await cache.look("What is the capital of France?")
    assert found.entry is not None
    assert found.entry.text is None
    assert (await cache.look("What's the capital of France?")).status is Status.MISS


async def test_a_question_that_takes_no_part_is_a_bypass_and_not_stored() -> None:
    cache = Cache()
    found = await cache.look("Where is my order?")
    assert (found.status, found.guard) == (Status.BYPASS, "personal")
    assert await cache.it.store(ask("Where is my order?"), PARIS) == (None, Ineligible.PERSONAL)


async def test_a_long_answer_is_not_stored() -> None:
    cache = Cache(answer_kb=1)
    long = replace(PARIS, payload=b"x" * 1025)
    assert await cache.it.store(ask("a"), long) == (None, Ineligible.ANSWER_TOO_LONG)


async def test_the_time_to_live_is_the_domains() -> None:
    cache = Cache(ttl_minutes=10, domain_ttl_minutes={"support": 1})
    await cache.has("What is it?")
    request = replace(ask("What was it?"), domain="support")
    await cache.it.store(request, PARIS)
    cache.now += 61
    assert (await cache.it.lookup(request)).status is Status.MISS
    assert (await cache.look("What is it?")).status is Status.HIT


async def test_without_an_encoder_the_same_text_still_hits() -> None:
    cache = Cache()
    cache.fails = Cause.ENCODER_UNAVAILABLE
    await cache.has("What is the capital of France?")
    assert (await cache.look("What is the capital of France?")).status is Status.HIT


async def test_a_late_encoder_is_a_cause_and_a_miss() -> None:
    cache = Cache()
    await cache.has("What is the capital of France?")
    cache.fails = Cause.ENCODER_TIMEOUT
    found = await cache.look("What's the capital of France?")
    assert (found.status, found.causes) == (Status.MISS, (Cause.ENCODER_TIMEOUT,))


class BrokenStore(MemoryStore):
    """Every look into it fails."""

    async def get(self, partition: str, entry_id: str) -> Any:
        raise StoreFailed(Cause.CACHE_TIMEOUT)

    async def put(self, entry: Any) -> None:
        raise StoreFailed(Cause.CACHE_UNAVAILABLE)


async def test_a_broken_store_is_a_cause_and_a_miss() -> None:
    cache = Cache(BrokenStore(entries=1, entries_per_tenant=1))
    found = await cache.look("What is the capital of France?")
    assert (found.status, found.causes) == (Status.MISS, (Cause.CACHE_TIMEOUT,))
    assert await cache.it.store(ask("a"), PARIS) == (None, Cause.CACHE_UNAVAILABLE)


async def test_an_invalidation_by_a_text_takes_its_neighbours() -> None:
    cache = Cache()
    for text in ("What is the capital of France?", "Whats the capital of France?", "How do planes fly?"):
        await cache.has(text)
    assert await cache.it.invalidate(Selector(like="What is the capital of France?", least_similarity=0.7)) == 2
    assert (await cache.look("How do planes fly?")).status is Status.HIT


async def test_an_answer_that_was_under_way_when_its_like_was_dropped_is_not_kept() -> None:
    cache = Cache()
    stored = cache.it.store_
    for selector, kept in [
        (Selector(), False),
        (Selector(tenant="team:support"), False),
        (Selector(model="m", tier=Tier.SIMPLE), False),
        (Selector(like="Whats the capital of France?", least_similarity=0.7), False),
        (Selector(tenant="team:other"), True),
        (Selector(tier=Tier.FRONTIER), True),
        (Selector(older_than_s=60), True),
    ]:
        await cache.it.invalidate(Selector())
        since = stored.invalidations.count
        await cache.it.invalidate(selector)
        done = await cache.it.store(ask("What is the capital of France?"), PARIS, since=since)
        assert (done[1] is None, done[1] is Ineligible.ANSWER_INVALIDATED) == (kept, not kept), selector
        assert ((await cache.look("What is the capital of France?")).status is Status.HIT) == kept
    await cache.it.invalidate(Selector())
    await cache.has("What is the capital of France?")  # asked for after it all


async def test_what_is_dropped_while_its_vector_is_computed_is_not_kept() -> None:
    class Slow(Cache):
        async def _encode(self, text: str) -> Vector:
            await self.it.invalidate(Selector())
            return await super()._encode(text)

    cache = Slow()
    assert await cache.it.store(ask("What is the capital of France?"), PARIS) == (None, Ineligible.ANSWER_INVALIDATED)
    assert await cache.it.store_.find(Selector(), 9) == []


async def test_what_is_dropped_while_it_is_written_is_not_kept() -> None:
    class Slow(MemoryStore):
        async def put(self, entry: Any) -> None:
            self.invalidations.note(Selector(tenant=entry.tenant))  # another worker's, which found nothing yet
            await super().put(entry)

    cache = Cache(Slow(entries=9, entries_per_tenant=9))
    assert await cache.it.store(ask("What is the capital of France?"), PARIS) == (None, Ineligible.ANSWER_INVALIDATED)
    assert await cache.it.store_.find(Selector(), 9) == []


async def test_more_invalidations_than_are_remembered_spare_no_answer() -> None:
    cache = Cache()
    since = cache.it.store_.invalidations.count
    for _ in range(Invalidations.REMEMBERED + 1):
        cache.it.store_.invalidations.note(Selector(tenant="team:other"))
    request = ask("What is the capital of France?")
    assert await cache.it.store(request, PARIS, since=since) == (None, Ineligible.ANSWER_INVALIDATED)
    assert (await cache.it.store(request, PARIS, since=since + 1))[1] is None


async def test_a_burst_of_one_question_goes_upstream_once() -> None:
    cache = Cache(single_flight_s=30)
    request = ask("What is the capital of France?")
    first = await cache.it.lookup(request)
    assert first.status is Status.MISS
    others = [asyncio.create_task(cache.it.lookup(request)) for _ in range(50)]
    await asyncio.sleep(0)
    await cache.it.store(request, PARIS, flight=first.flight)
    found = await asyncio.gather(*others)
    assert all(one.status is Status.HIT and one.waited for one in found)


async def test_when_the_first_fails_the_others_go_on_together() -> None:
    """Not one after another: an answer that cannot be stored would hold up the last of them for as long as all took."""
    cache = Cache(single_flight_s=30)
    request = ask("What is the capital of France?")
    first = await cache.it.lookup(request)
    others = [asyncio.create_task(cache.it.lookup(request)) for _ in range(5)]
    await asyncio.sleep(0)
    cache.it.abandon(first.flight)
    found = await asyncio.wait_for(asyncio.gather(*others), 20)
    assert [(one.status, one.waited) for one in found] == [(Status.MISS, True)] * 5


async def test_who_does_not_lead_ends_nobodys_flight() -> None:
    """One that has not waited, such as a refresh, nor one whose lead was taken over."""
    cache = Cache(single_flight_s=30)
    request = ask("What is the capital of France?")
    first = await cache.it.lookup(request)
    other = asyncio.create_task(cache.it.lookup(request))
    await asyncio.sleep(0)
    cache.it.abandon(None)
    await cache.it.store(request, replace(PARIS, payload=b"x" * 10_000_000))
    await asyncio.sleep(0)
    assert not other.done()
    await cache.it.store(request, PARIS, flight=first.flight)
    assert (await other).status is Status.HIT


async def test_a_lead_that_was_taken_over_ends_for_its_own_followers_only() -> None:
    now = 0.0
    flights = Flights(lambda: now)
    old = await flights.lead("question", 30)
    its_own = asyncio.create_task(flights.lead("question", 30))
    await asyncio.sleep(0)
    now = 31.0
    new = await flights.lead("question", 30)
    follower = asyncio.create_task(flights.lead("question", 30))
    await asyncio.sleep(0)
    assert old is not None
    assert new is not None
    flights.land(old)
    assert await its_own is None
    assert (follower.done(), len(flights)) == (False, 1)
    flights.land(new)
    flights.land(new)
    assert (await follower, len(flights)) == (None, 0)


async def test_of_a_burst_whose_stored_answer_is_unfit_one_goes_upstream() -> None:
    def unfit(entry: Entry) -> str | None:
        return "tier_below" if entry.answer.tier is Tier.SIMPLE else None

    cache = Cache(single_flight_s=30)
    await cache.has("What is the capital of France?")
    request = ask("What is the capital of France?")
    first = await cache.it.lookup(request, unfit)
    assert (first.status, first.guard, first.entry) == (Status.MISS, "tier_below", None)
    others = [asyncio.create_task(cache.it.lookup(request, unfit)) for _ in range(5)]
    await asyncio.sleep(0)
    assert not any(other.done() for other in others)
    await cache.it.store(request, replace(PARIS, tier=Tier.FRONTIER), flight=first.flight)
    assert all(found.status is Status.HIT and found.waited for found in await asyncio.gather(*others))


async def test_nobody_waits_longer_than_the_policy_says() -> None:
    cache = Cache(single_flight_s=0.05)
    request = ask("What is the capital of France?")
    await cache.it.lookup(request)
    found = await asyncio.wait_for(cache.it.lookup(request), 30)
    assert (found.status, found.waited) == (Status.MISS, True)


async def test_an_entry_whose_text_was_replaced_is_not_served() -> None:
    class Swapped(MemoryStore):
        async def nearest(self, partition: str, vector: Vector, limit: int) -> Sequence[Any]:
            found = await super().nearest(partition, vector, limit)
            return [replace(near, text=request.text) for near in found]

    cache = Cache(Swapped(entries=9, entries_per_tenant=9))
    await cache.has("What is the capital city of France?")
    request = ask("What's the capital city of France?")
    assert (await cache.it.lookup(request)).status is Status.MISS
