"""The store that a policy asks for."""

from __future__ import annotations

import logging
from pathlib import Path

from custom_router.cache.base import CacheStore
from custom_router.cache.memory import MemoryStore
from custom_router.policy.cache import CachePolicy

logger = logging.getLogger(__name__)


def open_store(policy: CachePolicy) -> tuple[CacheStore, str | None]:
    """Open it; nothing is connected yet. With it, why it is not the store asked for: a Redis whose URL says nothing
    usable is replaced by memory, because the cache must not keep the proxy from starting."""
    problem = None
    if policy.redis is not None:
        # Only who has a Redis loads its client.
        from custom_router.cache.redis_connect import BadRedisUrl
        from custom_router.cache.redis_store import RedisStore

        try:
            return RedisStore(policy, policy.redis), None
        except BadRedisUrl as error:
            problem = f"{error}; this worker keeps its entries in memory"
            logger.error(problem)
    store = MemoryStore(
        entries=policy.entries,
        entries_per_tenant=policy.entries_per_tenant,
        file=Path(policy.file) if policy.file else None,
    )
    return store, problem
