"""The store that a policy asks for."""

from __future__ import annotations

import logging
from pathlib import Path

from custom_router.cache.base import CacheStore
from custom_router.cache.memory import MemoryStore
from custom_router.policy.cache import CachePolicy

logger = logging.getLogger(__name__)


def open_store(policy: CachePolicy) -> CacheStore:
    """Open it; nothing is connected yet. A Redis whose URL says nothing usable is replaced by memory, with an error in
    the log: the cache must not keep the proxy from starting."""
    if policy.redis is not None:
        # Only who has a Redis loads its client.
        from custom_router.cache.redis_connect import BadRedisUrl
        from custom_router.cache.redis_store import RedisStore

        try:
            return RedisStore(policy, policy.redis)
        except BadRedisUrl as error:
            logger.error("%s; this worker keeps its entries in memory", error)
    return MemoryStore(
        entries=policy.entries,
        entries_per_tenant=policy.entries_per_tenant,
        file=Path(policy.file) if policy.file else None,
    )
