"""HTTP routes of the cache: what it holds, dropping and warming it, and what callers think of an answer."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator

from custom_router.api.answers import api_routes
from custom_router.api.visitor import Guards, Visitor
from custom_router.cache.base import Cursor, Selector, StoreFailed
from custom_router.cache.key import CacheTenant
from custom_router.cache_control import CacheControl, Pair, described
from custom_router.encoder.worker import EncodingFailed
from custom_router.feedback import FeedbackDesk, NotYours, TooMuch
from custom_router.feedback_body import Feedback
from custom_router.runtime import Runtime
from custom_router.tiers import Tier

FEEDBACK = "/router/feedback"
"""The one route for everybody's key."""
WARM_LIMIT = 200
"""Pairs in one request."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Conditions(_Body):
    """Which entries: those that meet every condition given."""

    entry_id: str | None = None
    tenant: str | None = None
    """A label, such as `team:support`."""
    older_than_s: float | None = Field(default=None, ge=0)
    tier: Tier | None = None
    domain: str | None = None
    model: str | None = None
    policy_version: str | None = None
    like: str | None = Field(default=None, min_length=1, max_length=2_000)
    """A text: the entries whose question has at least the cosine `least_similarity` with it."""
    least_similarity: float = Field(default=0.9, ge=0, le=1)

    def selector(self) -> Selector:
        """The same for a store."""
        return Selector(**self.model_dump(include=set(_Conditions.model_fields)))


class Shown(_Conditions):
    """Which entries to show, and how."""

    limit: int = Field(default=50, ge=0, le=10_000)
    after: str | None = Field(default=None, pattern=r"^\d{1,12}(\.\d{1,9})?:[0-9a-f]{64}$")
    """The answer's `next` of the page before."""
    texts: bool = False

    def cursor(self) -> Cursor | None:
        """Where the page before ended."""
        if self.after is None:
            return None
        created, _, entry_id = self.after.partition(":")
        return float(created), entry_id


class Picked(_Conditions):
    """Which entries to drop."""

    all: bool = False
    """Every entry; without it at least one condition must be given."""

    @model_validator(mode="after")
    def _not_all_by_mistake(self) -> Picked:
        conditions = self.model_dump(exclude={"all", "least_similarity"}, exclude_none=True)
        if bool(conditions) == self.all:
            raise ValueError("give at least one condition, or `all` alone for every entry")
        return self


class Warm(_Body):
    """Answers to keep before anybody has asked."""

    pairs: list[Pair] = Field(min_length=1, max_length=WARM_LIMIT)
    team: str | None = None
    """LiteLLM's id of the team that shares them; without it they are the `key`'s."""
    key: str | None = None
    """Hash of a virtual key."""
    org: str | None = None
    tier: Tier = Tier.FRONTIER
    """The tier that the answers are as good as."""


def build_cache_routes(runtime: Runtime, guards: Guards) -> APIRouter:
    """For administrators, but for feedback: any key may give it, for requests of its own."""
    routes, key = api_routes(), Depends(guards.anyone)
    control, desk = CacheControl(runtime), FeedbackDesk(runtime)

    @routes.get("/router/api/cache", dependencies=[Depends(guards.admin)])
    async def show(picked: Annotated[Shown, Query()]) -> dict[str, Any]:
        """What the cache holds, newest first. Questions and answers only where `texts` asks for them.

        `next` is what to give as `after` for the entries after these, null where there are none."""
        async with _told():
            entries = await control.find(picked.selector(), picked.limit, picked.cursor())
        now, full = time.time(), len(entries) == picked.limit > 0
        return {
            **control.stats(),
            "shown": [described(entry, now, texts=picked.texts) for entry in entries],
            "next": f"{entries[-1].created}:{entries[-1].id}" if full else None,
        }

    @routes.post("/router/cache/invalidate", dependencies=[Depends(guards.change)])
    async def invalidate(picked: Picked) -> dict[str, int]:
        """Drop entries, in every worker that shares the store."""
        async with _told():
            return {"dropped": await control.drop(picked.selector(), "invalidated")}

    @routes.post("/router/cache/warm", dependencies=[Depends(guards.change)])
    async def warm(given: Warm) -> dict[str, Any]:
        """Keep answers before anybody has asked."""
        async with _told():
            warmed = await control.warm(given.pairs, CacheTenant(given.key, given.team, given.org), given.tier)
        return {"kept": warmed.kept, "refused": dict(warmed.refused)}

    @routes.post(FEEDBACK)
    async def feedback(given: Feedback, visitor: Visitor = key) -> dict[str, Any]:
        """What a caller thinks of the answer to one of its own requests."""
        try:
            async with _told():
                line = await desk.take(given, None if visitor.may_change else visitor.tenant.key)
        except NotYours:
            raise HTTPException(404, "no such request of this key among the newest") from None
        except TooMuch as error:
            raise HTTPException(429, str(error), {"retry-after": "60"}) from None
        return {"request_id": line.request_id, "score": line.score, "tags": line.tags, "dropped": line.dropped}

    return routes


@asynccontextmanager
async def _told() -> AsyncIterator[None]:
    """Who drops or asks must know when it did not happen."""
    try:
        yield
    except (StoreFailed, EncodingFailed) as error:
        raise HTTPException(503, f"the cache could not do that: {error.cause.value}") from error
