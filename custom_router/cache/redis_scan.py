"""The entries in Redis that a selector picks: all are looked through, in batches, beside the server's other work."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from custom_router.cache import codec
from custom_router.cache.base import Entry, Selector
from custom_router.cache.redis_keys import Keys

BATCH = 500
"""Entries read, or removed, in one round trip."""


async def picked(
    client: Any, keys: Keys, selector: Selector, now: float, *, answers: bool = False
) -> AsyncIterator[Entry]:
    """The unexpired entries picked, in no order; their answers are read only if asked for. What is not readable
    is passed over. Raises `RedisError` and `OSError`."""
    fields = [codec.HEAD, codec.VECTOR, *([codec.ANSWER] if answers else [])]
    async for batch in _batches(client, keys, selector):
        pipe = client.pipeline(transaction=False)
        for key in batch:
            pipe.hmget(key, fields)
        for values in await pipe.execute(raise_on_error=False):
            if not isinstance(values, list) or values[0] is None:
                continue
            try:
                entry = codec.unpacked(dict(zip(fields, values, strict=True)), answer=answers)
            except codec.Unreadable:
                continue
            if not entry.expired(now) and selector.picks(entry, now):
                yield entry


async def _batches(client: Any, keys: Keys, selector: Selector) -> AsyncIterator[list[bytes]]:
    if selector.entry_id is not None:
        yield [keys.entry(selector.entry_id).encode()]
        return
    batch: list[bytes] = []
    async for key in client.scan_iter(match=keys.entry("*"), count=BATCH):
        batch.append(key)
        if len(batch) >= BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
