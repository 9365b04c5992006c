"""The nearest questions, sought by the server: one vector set a partition, where Redis has them (8.0 and later).

A set names candidates and nothing else. What is believed is the entry's own hash: its text, its vector, whether it is
still there. So a set that is stale, approximate or somebody else's costs a hit, never a wrong one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any

from redis.exceptions import ResponseError

from custom_router.cache import codec
from custom_router.cache.base import Entry
from custom_router.cache.redis_keys import Keys
from custom_router.classify.base import Vector

logger = logging.getLogger(__name__)

EFFORT = 100
"""Candidates that one search weighs (HNSW's ef). `scripts/eval_cache --stores` prints what it finds of the nearest;
200 found one in a thousand more, in half as much time again."""
_SWEPT = 100
"""Expired elements removed with each one added, at most: more than come in, so that none pile up."""


class VectorSets:
    """Commands on vector sets, for whatever client and pipeline they are given.

    Their elements do not expire: beside each set is a sorted set of when they should, and each new element takes
    expired ones with it.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self.served: bool | None = None
        """Whether the server has vector sets and lets us use them; None before it was asked."""

    async def ask(self, client: Any) -> bool:
        """Ask the server, by using them where there is nothing: no version tells what an access rule forbids."""
        nothing = self._keys.vectors("none")
        try:
            await client.execute_command("VSIM", nothing, "VALUES", 1, 1)
            await client.execute_command("VREM", nothing, "none")
        except ResponseError as error:
            if self.served is not False:
                logger.info("no vector sets in Redis (%s): this worker holds the vectors", str(error)[:80])
            self.served = False
        else:
            self.served = True
        return self.served

    def add(self, pipe: Any, entry: Entry, now: float) -> None:
        """Queue what puts an entry's vector in; give the replies to `added`."""
        assert entry.vector is not None
        vectors, expiring = self._keys.vectors(entry.partition), self._keys.expiring(entry.partition)
        ttl_ms = max(1, int(entry.ttl_s * 1000))
        # Not quantised: candidates are few, and the right one must be among them.
        pipe.execute_command("VADD", vectors, "FP32", codec.packed_vector(entry.vector), entry.id, "NOQUANT")
        pipe.zadd(expiring, {entry.id: entry.created + entry.ttl_s})
        for key in (vectors, expiring):
            # GT alone would never give one to a key that has none.
            pipe.execute_command("PEXPIRE", key, ttl_ms, "NX")
            pipe.execute_command("PEXPIRE", key, ttl_ms, "GT")
        pipe.execute_command("ZRANGE", expiring, "-inf", now, "BYSCORE", "LIMIT", 0, _SWEPT)

    async def added(self, client: Any, partition: str, replies: Sequence[Any]) -> None:
        """Read the replies to what `add` queued, and take out the elements that have expired.

        A refusal is passed over: the entry is there, and recognised by the same text only.
        """
        refused = [reply for reply in replies if isinstance(reply, Exception)]
        if refused:
            logger.warning("a cache entry's vector was not indexed by Redis: %s", str(refused[0])[:80])
        elif replies[-1]:
            pipe = client.pipeline(transaction=False)
            self.remove(pipe, partition, replies[-1])
            await pipe.execute(raise_on_error=False)

    def remove(self, pipe: Any, partition: str, entry_ids: Iterable[str | bytes]) -> None:
        """Take elements out."""
        for entry_id in entry_ids:
            pipe.execute_command("VREM", self._keys.vectors(partition), entry_id)
            pipe.zrem(self._keys.expiring(partition), entry_id)

    async def nearest(self, client: Any, partition: str, vector: Vector, limit: int) -> Sequence[bytes]:
        """Ids of candidates, about the nearest first."""
        try:
            found: Sequence[bytes] = await client.execute_command(
                "VSIM", self._keys.vectors(partition), "FP32", codec.packed_vector(vector),
                "COUNT", limit, "EF", EFFORT,
            )  # fmt: skip
        except ResponseError as error:
            # Vectors of another length, or no vector set at all: nothing that this product wrote, and no outage.
            logger.warning("a partition's vector set in Redis is not usable and is passed over: %s", str(error)[:80])
            return ()
        return found
