"""What an operator does with the cache: look, drop, warm."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, model_validator

from custom_router import metrics
from custom_router.cache.base import Answer, Cursor, Entry, Selector
from custom_router.cache.key import CacheTenant
from custom_router.cacheable import kept_away
from custom_router.policy import resolve_caller
from custom_router.question import Question, payload_of
from custom_router.request import CallType, RequestView
from custom_router.runtime import Runtime
from custom_router.tiers import Tier


class Pair(BaseModel):
    """A question, or a whole request, and the answer to give."""

    model_config = ConfigDict(extra="forbid")

    answer: str = Field(min_length=1)
    question: str | None = Field(default=None, min_length=1)
    request: dict[str, Any] | None = None
    """A request's body, where it holds more than the question: only requests with the same fields are answered."""
    call_type: Literal["chat", "completion", "responses", "messages"] = "chat"

    @model_validator(mode="after")
    def _one(self) -> Pair:
        if (self.question is None) == (self.request is None):
            raise ValueError("give a question or a request")
        return self

    def body(self) -> dict[str, Any]:
        """The request's body, without a model."""
        if self.request is not None:
            return self.request
        kind = CallType(self.call_type)
        if kind in (CallType.COMPLETION, CallType.RESPONSES):
            return {"prompt" if kind is CallType.COMPLETION else "input": self.question}
        return {"messages": [{"role": "user", "content": self.question}]}


@dataclass(slots=True)
class Warmed:
    """How many pairs were kept, and how many were refused by reason."""

    kept: int = 0
    refused: Counter[str] = field(default_factory=Counter)


class CacheControl:
    """The running cache in an operator's hands."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def stats(self) -> dict[str, Any]:
        """What the store counts, and the policy it follows."""
        return self._runtime.caching.health()

    async def find(self, selector: Selector, limit: int, after: Cursor | None = None) -> list[Entry]:
        """Entries picked, newest first; with `after`, those after it. Raises `StoreFailed`, `EncodingFailed`."""
        cache = self._runtime.caching.in_force()
        return await cache.store_.find(await cache.resolved(selector), limit, after)

    async def drop(self, selector: Selector, reason: str) -> int:
        """Drop entries in every worker; their number. Raises `StoreFailed`, `EncodingFailed`."""
        dropped = await self._runtime.caching.in_force().invalidate(selector)
        metrics.CACHE_DROPPED.labels(reason).inc(dropped)
        return dropped

    async def warm(self, pairs: Sequence[Pair], tenant: CacheTenant, tier: Tier) -> Warmed:
        """Keep answers for a tenant, each in the partition in which its question will be asked. Raises
        `EncoderUnavailable` where questions cannot be read for their domains."""
        told = Warmed()
        for pair in pairs:
            refusal = await self._warm(pair, tenant, tier)
            if refusal is None:
                told.kept += 1
            else:
                told.refused[refusal] += 1
        return told

    async def _warm(self, pair: Pair, tenant: CacheTenant, tier: Tier) -> str | None:
        engine, caching = self._runtime.engine, self._runtime.caching
        policy, body = engine.policy, pair.body()
        caller = resolve_caller(policy.document)
        view = RequestView.from_body(CallType(pair.call_type), body)
        decision = await engine.decide(view, caller, tenant=uuid.uuid4().hex, patient=True)
        models = caching.deployed.models(policy.document.tiers) if caching.deployed is not None else ""
        entry_model = body.get("model", policy.document.entry_models[0])
        question = Question(body, tenant, group="", models=f"{entry_model} {models}")
        if (reason := kept_away(view, body, caller, decision, group=question.group)) is not None:
            return reason.value
        cache, request = caching.request(view, caller, decision, policy, question)
        # Estimated, as for any text whose tokens nobody counted.
        answer = Answer(payload_of(pair.answer), "warmed", tier, view.input_tokens, max(1, len(pair.answer) // 4))
        _, refusal = await cache.store(request, answer)
        return None if refusal is None else refusal.value


def described(entry: Entry, now: float, *, texts: bool) -> dict[str, Any]:
    """An entry in plain types; the question and the answer only where `texts` says so."""
    told: dict[str, Any] = {
        "entry_id": entry.id,
        "tenant": entry.tenant,
        "tier": entry.answer.tier.value,
        "model": entry.answer.model,
        "domain": entry.domain,
        "age_s": round(max(0.0, now - entry.created), 1),
        "ttl_s": entry.ttl_s,
        "namespace": entry.namespace,
        "policy_version": entry.policy_version,
        "semantic": entry.vector is not None,
        "tokens": {"input": entry.answer.prompt_tokens, "output": entry.answer.completion_tokens},
    }
    if texts:
        told["question"] = entry.text
        told["answer"] = orjson.loads(entry.answer.payload).get("text")
    return told
