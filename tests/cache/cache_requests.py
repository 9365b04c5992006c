"""Requests and entries as the cache's tests need them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import numpy as np

from custom_router.cache.base import Answer, Entry
from custom_router.cache.key import CacheRequest, CacheTenant, cache_request, entry_id, hashed
from custom_router.classify.base import Vector
from custom_router.decide import decide
from custom_router.decision import Decision
from custom_router.policy import CachePolicy, CacheScope, Caller, Policy
from custom_router.request import CallType, RequestView
from custom_router.tiers import Tier

TENANT = CacheTenant(key="key-1", team="support", org="acme")
DECISION: Decision = replace(
    decide(RequestView.from_chat({"messages": [{"role": "user", "content": "hi"}]}), None, Caller(), Policy.safe("t")),
    cache=CacheScope.TEAM,
)


def ask(
    text: str = "What is the capital of France?",
    *,
    tenant: CacheTenant = TENANT,
    decision: Decision = DECISION,
    policy: CachePolicy | None = None,
    entry_model: str = "auto",
    least_tier: Tier = Tier.SIMPLE,
    encoder_version: str = "test",
    **body: Any,
) -> CacheRequest:
    """A chat request as the cache sees it; `body` adds to or replaces fields of it."""
    sent = {"model": "auto", "messages": [{"role": "user", "content": text}], **body}
    return cache_request(
        RequestView.from_body(CallType.CHAT, sent),
        sent,
        tenant,
        decision,
        policy or CachePolicy(),
        entry_model=entry_model,
        least_tier=least_tier,
        encoder_version=encoder_version,
    )


def unit(*values: float, dimension: int = 8) -> Vector:
    """A unit vector that begins with these values."""
    vector = np.zeros(dimension, np.float32)
    vector[: len(values)] = values
    return vector / np.linalg.norm(vector)


def entry(text: str = "q", *, partition: str = "p", vector: Vector | None = None, **changes: Any) -> Entry:
    """An entry of the partition named so."""
    where = hashed(partition)
    made = Entry(
        id=entry_id(where, text),
        partition=where,
        tenant="team:support",
        answer=Answer(b'"an answer"', "model", Tier.SIMPLE, 3, 5),
        created=time.time(),
        ttl_s=3600.0,
        namespace="1",
        policy_version="v",
        text=text,
        vector=unit(1.0) if vector is None else vector,
    )
    return replace(made, **changes)


async def eventually(check: Callable[[], Awaitable[object] | object], timeout_s: float = 30.0) -> None:
    """Wait until `check` gives something true. The limit is for liveness only."""
    until = time.monotonic() + timeout_s
    while True:
        found = check()
        if isinstance(found, Awaitable):
            found = await found
        if found:
            return
        assert time.monotonic() < until, "it never came true"
        await asyncio.sleep(0.01)
