"""The cache at work: looks up, remembers whose answers may be kept, and keeps them when they have been accepted.

Free of LiteLLM types. Whatever breaks here costs a request its hit and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from typing import Any, Protocol

from cachetools import LRUCache

from custom_router import metrics
from custom_router.cache.base import Answer as Stored
from custom_router.cache.base import Entry, Lookup, Status
from custom_router.cache.eligible import Ineligible
from custom_router.cache.key import CacheRequest, cache_request
from custom_router.cache.semantic import SemanticCache
from custom_router.cache.stores import open_store
from custom_router.cacheable import kept_away, least_tier, not_accepted, unfit
from custom_router.causes import Cause
from custom_router.classify.base import Vector
from custom_router.confidence.base import Answer
from custom_router.decision import Decision
from custom_router.engine import RouterEngine
from custom_router.policy import CachePolicy, Caller, Policy
from custom_router.policy.schema import Tiers
from custom_router.question import Looked, Question, payload_of, served_from
from custom_router.records.record import DecisionRecord
from custom_router.request import RequestView
from custom_router.tiers import Tier

logger = logging.getLogger(__name__)

MAX_UNDER_WAY = 10_000
"""Requests whose answers may be kept, under way at one time; the oldest is forgotten, and its answer not kept."""


@dataclass(slots=True)
class _Kept:
    """A request under way whose answer may be kept, until both its answer and its end are known."""

    cache: SemanticCache
    request: CacheRequest
    looked: Looked
    question: Question
    view: RequestView
    caller: Caller
    policy: Policy
    since: int
    """Invalidations that there had been when it went upstream."""
    answer: Answer | None = None
    record: DecisionRecord | None = None


class Deployed(Protocol):
    """The deployments behind the tiers."""

    def model_of(self, model_id: object) -> str | None:
        """The model of a deployment, by its id."""
        ...

    def models(self, tiers: Tiers) -> str:
        """All models behind the tiers, the same text for the same ones."""
        ...


class Caching:
    """One process's cache, which follows the policy in force."""

    def __init__(self, engine: RouterEngine) -> None:
        self._engine = engine
        self.deployed: Deployed | None = None
        """What serves the tiers, where that is known."""
        self._followed = engine.policy.document.cache
        self._problem: str | None = None
        self.cache = self._open(self._followed)
        self._under_way: LRUCache[str, _Kept] = LRUCache(MAX_UNDER_WAY)
        self._tasks: set[asyncio.Task[None]] = set()

    def _open(self, policy: CachePolicy) -> SemanticCache:
        store, self._problem = open_store(policy)
        return SemanticCache(store, self._encode, policy)

    async def _encode(self, text: str) -> Vector:
        deadline_s = self._engine.policy.document.latency_budget_ms.encoder / 1000
        return await self._engine.encoder.encode(text, deadline_s)

    async def _encode_at_leisure(self, text: str) -> Vector:
        return await self._engine.encoder.encode(text, None)

    def in_force(self) -> SemanticCache:
        """The cache of the policy in force: the one there is, unless its store must be another."""
        policy = self._engine.policy.document.cache
        if policy is not self._followed:
            if _store_settings(policy) == _store_settings(self._followed):
                self.cache.policy = policy
            else:
                self._run(_let_go(self.cache))
                self.cache = self._open(policy)
            self._followed = policy
        return self.cache

    async def look(
        self, view: RequestView, caller: Caller, decision: Decision, policy: Policy, question: Question
    ) -> Looked:
        """Look for a stored answer. Never raises but for cancellation."""
        began = time.perf_counter()
        try:
            looked = await self._look(view, caller, decision, policy, question)
        except Exception:
            logger.exception("the cache failed; the request goes on without it")
            looked = Looked(Lookup(Status.BYPASS, causes=(Cause.CACHE_ERROR,)))
        return replace(looked, elapsed_s=time.perf_counter() - began)

    async def peek(
        self, view: RequestView, caller: Caller, decision: Decision, policy: Policy, question: Question
    ) -> Lookup:
        """What looking would find now. Nothing is counted, nobody waits, and no answer is expected. Never raises."""
        try:
            return (await self._look(view, caller, decision, policy, question, rehearsal=True)).lookup
        except Exception:
            logger.exception("the cache failed; nobody was waiting for it")
            return Lookup(Status.BYPASS, causes=(Cause.CACHE_ERROR,))

    async def _look(
        self,
        view: RequestView,
        caller: Caller,
        decision: Decision,
        policy: Policy,
        question: Question,
        rehearsal: bool = False,
    ) -> Looked:
        reason = kept_away(view, question.body, caller, decision, group=question.group)
        if reason is not None or question.group is None:
            return Looked(Lookup(Status.BYPASS, guard=reason))
        cache, request = self.request(view, caller, decision, policy, question)
        if request.refused is not None:
            return Looked(Lookup(Status.BYPASS, guard=request.refused))
        if caller.header_cache == "refresh":
            return Looked(Lookup(Status.BYPASS, guard=Ineligible.ASKED_REFRESH), question, request=request)

        def judged(entry: Entry) -> str | None:
            return unfit(entry.answer.tier, caller, decision)

        if rehearsal:
            found = await cache.peek(request, self._encode_at_leisure, judged)
        else:
            found = await cache.lookup(request, judged)
        if found.entry is not None:
            return Looked(found, hit=served_from(found.entry, question.group))
        if caller.header_cache == "no-store":
            cache.abandon(found.flight)
            return Looked(found)
        return Looked(found, question, request=request)

    def request(
        self, view: RequestView, caller: Caller, decision: Decision, policy: Policy, question: Question
    ) -> tuple[SemanticCache, CacheRequest]:
        """The cache in force, and the request as it sees it."""
        settings = policy.document.cache
        return self.in_force(), cache_request(
            view,
            question.body,
            question.tenant,
            decision,
            settings,
            entry_model=question.models,
            least_tier=least_tier(caller, decision, policy),
            encoder_version=self._encoder_version(settings),
        )

    def _encoder_version(self, policy: CachePolicy) -> str:
        """Version of the encoder that vectors are from; none while it is not loaded, and where no vector is compared:
        only the same text is recognised then, whether some other stage has loaded it or not."""
        if not (policy.enabled and policy.semantic):
            return "none"
        worker = self._engine.encoder
        if worker.encoder is None:
            worker.start()
        return worker.encoder.version if worker.encoder is not None else "none"

    def expect(self, token: str, looked: Looked, view: RequestView, caller: Caller, policy: Policy) -> None:
        """A request goes upstream: its answer may be kept, when it comes."""
        if looked.request is not None and looked.question is not None:
            cache, since = self.cache, self.cache.store_.invalidations.count
            self._under_way[token] = _Kept(cache, looked.request, looked, looked.question, view, caller, policy, since)

    def expected(self, token: str) -> RequestView | None:
        """The request whose answer may be kept; None for any other."""
        kept = self._under_way.get(token)
        return kept.view if kept is not None else None

    def answered(self, token: str, answer: Answer | None) -> None:
        """The answer that the client gets, whole; None where it did not get it whole."""
        kept = self._under_way.get(token)
        if kept is None:
            return
        if answer is None:
            self._forget(token)
        else:
            kept.answer = answer
            self._settle(token, kept)

    def ended(self, token: str, record: DecisionRecord) -> None:
        """The request's record is complete."""
        kept = self._under_way.get(token)
        if kept is None:
            return
        if record.outcome.status != "ok":
            self._forget(token)
        else:
            kept.record = record
            self._settle(token, kept)

    def _settle(self, token: str, kept: _Kept) -> None:
        """Keep the answer once both it and the record are there, which may come in either order."""
        if kept.answer is None or kept.record is None:
            return
        del self._under_way[token]
        if not_accepted(kept.record, kept.view, kept.answer, kept.question.expected, kept.caller, kept.policy):
            metrics.CACHE_STORED.labels("answer_not_accepted").inc()
            kept.cache.abandon(kept.looked.lookup.flight)
            return
        self._run(self._store(kept, kept.answer, kept.record))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            task = asyncio.get_running_loop().create_task(work)
        except RuntimeError:  # the process is ending, and its loop has
            work.close()
            return
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _store(self, kept: _Kept, answer: Answer, record: DecisionRecord) -> None:
        model = self.deployed.model_of(record.deployment) if self.deployed is not None else None
        tokens = record.tokens
        stored = Stored(
            payload_of(answer.text), model or record.model_group, Tier(record.tier), tokens.input, tokens.output
        )
        try:
            found = kept.looked.lookup
            _, refusal = await kept.cache.store(
                kept.request, stored, found.vector, since=kept.since, flight=found.flight
            )
        except Exception:
            logger.exception("the cache could not keep an answer")
            refusal = Cause.CACHE_ERROR
        metrics.CACHE_STORED.labels(refusal.value if refusal is not None else "stored").inc()

    def _forget(self, token: str) -> None:
        kept = self._under_way.pop(token, None)
        if kept is not None:
            kept.cache.abandon(kept.looked.lookup.flight)

    async def drained(self) -> None:
        """Wait until every answer that is to be stored has been, and a store that is closing has closed."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def health(self) -> dict[str, Any]:
        """For `/router/health`. `error` says why the store is not the one that the policy asks for."""
        store = self.in_force().store_
        enabled = self._engine.policy.document.cache.enabled
        connected = getattr(store, "connected", None)
        told = {"store": "memory"} if connected is None else {"store": "redis", "connected": connected}
        return {"enabled": enabled, "error": self._problem if enabled else None, **told, **store.stats()}

    def close(self) -> None:
        """Let go of the store, at the end of the process; inside a running loop, by a task of its own."""
        closing = _let_go(self.cache)
        try:
            asyncio.get_running_loop()
        except RuntimeError:  # as at the end of the process
            asyncio.run(closing)
        else:
            self._run(closing)


async def _let_go(cache: SemanticCache) -> None:
    try:
        await cache.close()
    except Exception:
        logger.exception("the cache's store did not close")


def _store_settings(policy: CachePolicy) -> tuple[object, ...]:
    return policy.entries, policy.entries_per_tenant, policy.file, policy.redis
