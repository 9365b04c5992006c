"""A request as the cache is asked about it, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from custom_router.cache.base import Entry, Lookup, Status
from custom_router.cache.key import CacheRequest, CacheTenant
from custom_router.confidence.base import Expectations
from custom_router.lifecycle import StoredAnswer
from custom_router.records.record import CacheFields, DecisionRecord, TokenFields


@dataclass(frozen=True, slots=True)
class Question:
    """What the cache needs of a request beyond its view: the body as it goes upstream, whose it is, what its answer
    must look like, the model group that serves stored answers, and the models behind the tiers."""

    body: Mapping[str, Any]
    tenant: CacheTenant
    expected: Expectations = field(default_factory=Expectations)
    group: str | None = None
    models: str = ""
    """Names them all: an answer of a model that is no longer used is not given again."""


def payload_of(text: str) -> bytes:
    """An answer's text as an entry holds it."""
    return orjson.dumps({"text": text.encode("utf-8", "replace").decode("utf-8")})


def served_from(entry: Entry, group: str) -> StoredAnswer:
    """The answer in an entry, as it is given. Raises `ValueError` for a payload of another form."""
    kept, answer = orjson.loads(entry.answer.payload), entry.answer
    text = kept.get("text") if isinstance(kept, dict) else None
    if not isinstance(text, str):
        raise ValueError("a stored answer of an unknown form")
    return StoredAnswer(
        text, answer.tier, answer.model, TokenFields(answer.prompt_tokens, answer.completion_tokens), group
    )


@dataclass(frozen=True, slots=True)
class Looked:
    """What looking up came to. `request` is there where the request's own answer may be kept."""

    lookup: Lookup
    question: Question | None = None
    hit: StoredAnswer | None = None
    request: CacheRequest | None = None
    elapsed_s: float | None = None

    @property
    def waited_s(self) -> float:
        """Seconds spent waiting for the same question, already under way."""
        return (self.elapsed_s or 0.0) if self.lookup.waited else 0.0

    def tell(self, record: DecisionRecord) -> None:
        """Put what was found into the record."""
        found = self.lookup
        record.cache = CacheFields(
            status=found.status.value,
            kind=found.kind.value if found.kind else None,
            similarity=_rounded(found.similarity),
            p_same=_rounded(found.p_same),
            entry_id=found.entry_id,
            guard=found.guard,
            age_s=_rounded(found.age_s, 1),
        )
        record.causes += [cause.value for cause in found.causes if cause.value not in record.causes]
        if self.elapsed_s is not None:
            record.latency_ms["cache"] = round(self.elapsed_s * 1000, 3)
        if self.hit is not None:
            record.tier, record.model_group = self.hit.tier.value, self.hit.group


NOT_LOOKED = Looked(Lookup(Status.BYPASS))


def _rounded(value: float | None, digits: int = 6) -> float | None:
    return None if value is None else round(value, digits)
