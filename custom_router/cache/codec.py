"""Entries as bytes: the form in which they leave this process. No pickle: what comes back is read as plain data."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from custom_router.cache.base import Answer, Entry, Selector
from custom_router.classify.base import Vector
from custom_router.tiers import Tier

PAYLOAD_LIMIT = 16 * 2**20
"""Bytes that an answer may unpack to: a few kilobytes of someone else's making must not fill the memory."""
_FAST = 1
"""zlib's level: half the size of an answer in a tenth of a millisecond; higher levels gain little on such text."""
_DIMENSIONS = 4096

HEAD, VECTOR, ANSWER = b"head", b"vector", b"answer"
PICKS, NEAR = b"picks", b"near"


class Unreadable(ValueError):
    """Bytes that are no entry."""


class _Head(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    id: str = Field(pattern=r"^[0-9a-f]{64}$")
    partition: str = Field(pattern=r"^[0-9a-f]{64}$")
    tenant: str
    model: str
    tier: str
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)
    created: float = Field(allow_inf_nan=False)
    ttl_s: float = Field(gt=0, allow_inf_nan=False)
    namespace: str
    policy_version: str
    domain: str | None = None
    text: str | None = None


class _Picks(BaseModel):
    model_config = ConfigDict(extra="forbid")

    entry_id: str | None = None
    tenant: str | None = None
    older_than_s: float | None = None
    tier: Tier | None = None
    domain: str | None = None
    model: str | None = None
    namespace: str | None = None
    policy_version: str | None = None
    least_similarity: float = 0.9


def packed(entry: Entry) -> dict[bytes, bytes]:
    """The entry's fields: its head (JSON), its vector where it has one (float32, little-endian), its answer (zlib)."""
    answer = entry.answer
    head = {
        "id": entry.id,
        "partition": entry.partition,
        "tenant": entry.tenant,
        "model": answer.model,
        "tier": answer.tier.value,
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "created": float(entry.created),
        "ttl_s": float(entry.ttl_s),
        "namespace": entry.namespace,
        "policy_version": entry.policy_version,
        "domain": entry.domain,
        "text": entry.text,
    }
    fields = {HEAD: orjson.dumps(head), ANSWER: zlib.compress(answer.payload, _FAST)}
    if entry.vector is not None:
        fields[VECTOR] = packed_vector(entry.vector)
    return fields


def packed_vector(vector: Vector) -> bytes:
    """A vector as bytes."""
    return np.asarray(vector, dtype="<f4").tobytes()


def unpacked_vector(raw: bytes) -> Vector:
    """A unit vector from bytes. Raises `Unreadable`."""
    if not raw or len(raw) % 4 or len(raw) > 4 * _DIMENSIONS:
        raise Unreadable(f"{len(raw)} bytes are no vector")
    vector = np.frombuffer(raw, dtype="<f4").astype(np.float32)
    if not 0.99 < float(vector @ vector) < 1.01:  # NaN compares false
        raise Unreadable("not a unit vector")
    return vector


def unpacked(fields: Mapping[bytes, bytes | None], *, answer: bool = True) -> Entry:
    """The entry of such fields; without its `answer` where none is asked for. Raises `Unreadable`."""
    raw_head, raw_vector, raw_answer = fields.get(HEAD), fields.get(VECTOR), fields.get(ANSWER)
    if raw_head is None or (answer and raw_answer is None):
        raise Unreadable("incomplete")
    try:
        head = _Head.model_validate(orjson.loads(raw_head))
        tier = Tier(head.tier)
    except (ValueError, ValidationError) as error:
        raise Unreadable(str(error)) from error
    payload = _inflated(raw_answer) if answer and raw_answer is not None else b""
    return Entry(
        id=head.id,
        partition=head.partition,
        tenant=head.tenant,
        answer=Answer(payload, head.model, tier, head.prompt_tokens, head.completion_tokens),
        created=head.created,
        ttl_s=head.ttl_s,
        namespace=head.namespace,
        policy_version=head.policy_version,
        domain=head.domain,
        text=head.text,
        vector=unpacked_vector(raw_vector) if raw_vector else None,
    )


def packed_selector(selector: Selector) -> dict[bytes, bytes]:
    """A selector's fields: its conditions (JSON), its vector where it has one. Its text stays here."""
    picks = _Picks.model_validate(selector, from_attributes=True).model_dump(mode="json", exclude_none=True)
    fields = {PICKS: orjson.dumps(picks)}
    if selector.vector is not None:
        fields[NEAR] = packed_vector(selector.vector)
    return fields


def unpacked_selector(fields: Mapping[bytes, bytes]) -> Selector:
    """The selector of such fields. Raises `Unreadable`, also for conditions that this version does not know."""
    try:
        picks = _Picks.model_validate_json(fields[PICKS])
    except (KeyError, ValidationError) as error:
        raise Unreadable(str(error)) from error
    vector = unpacked_vector(fields[NEAR]) if NEAR in fields else None
    return Selector(**picks.model_dump(), vector=vector)


def _inflated(raw: bytes) -> bytes:
    unpacker: Any = zlib.decompressobj()
    try:
        payload: bytes = unpacker.decompress(raw, PAYLOAD_LIMIT)
    except zlib.error as error:
        raise Unreadable(f"answer: {error}") from error
    if not unpacker.eof:
        raise Unreadable("answer is cut, or too long")
    return payload
