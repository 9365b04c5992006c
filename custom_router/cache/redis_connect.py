"""A Redis client for a URL: one server, a cluster, or what Sentinel says is the master."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff

_FROM_ENVIRONMENT = "os.environ/"
_SENTINEL_PORT = 26379
MAX_CONNECTIONS = 1_000
"""As many requests as a worker may have in hand: one that finds none free counts as refused by the server."""


class BadRedisUrl(ValueError):
    """A URL that names no Redis. The message never holds the URL, which may hold a password."""


def connect(url: str, timeout_s: float) -> Any:
    """A client for `url`, not connected yet. `timeout_s` is for connecting and for every reply. Raises `BadRedisUrl`.

    No command is tried twice: the deadline is too short for it, and the request goes on without the cache.
    """
    if url.startswith(_FROM_ENVIRONMENT):
        name = url.removeprefix(_FROM_ENVIRONMENT)
        url = os.environ.get(name, "")
        if not url:
            raise BadRedisUrl(f"cache.redis.url: the environment variable {name} is not set")
    options: dict[str, Any] = {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "max_connections": MAX_CONNECTIONS,
    }
    scheme = url.partition("://")[0]
    try:
        if scheme in ("redis+sentinel", "rediss+sentinel"):
            return _from_sentinel(url, options)
        if scheme in ("redis+cluster", "rediss+cluster"):
            return RedisCluster.from_url(url.replace("+cluster", "", 1), **options)
        return Redis.from_url(url, retry=Retry(NoBackoff(), 0), **options)
    except ValueError as error:
        raise BadRedisUrl(f"cache.redis.url ({scheme}://…): {str(error).replace(url, '…')}") from None


def _from_sentinel(url: str, options: Mapping[str, Any]) -> Any:
    """A client of the master of a service. User, password, database and query are the master's, as in any `redis://`
    URL; `sentinel_username` and `sentinel_password` in the query are the sentinels', and `ssl_*` is for both."""
    parts = urlsplit(url)
    service, _, database = parts.path.strip("/").partition("/")
    if not service:
        raise ValueError("name the service: redis+sentinel://host:port,host:port/service")
    user, at, hosts = parts.netloc.rpartition("@")
    nodes = [
        (node.hostname or "", node.port or _SENTINEL_PORT)
        for node in map(urlsplit, map("//{}".format, hosts.split(",")))
    ]
    master = {**parse_url(f"redis://{user}{at}any/{database}?{parts.query}"), **options}
    del master["host"]
    sentinels = {name: master.pop(f"sentinel_{name}", None) for name in ("username", "password")} | dict(options)
    if parts.scheme.startswith("rediss"):
        master["ssl"] = sentinels["ssl"] = True
        sentinels |= {name: value for name, value in master.items() if name.startswith("ssl_")}
    manager: Any = Sentinel(nodes, sentinel_kwargs=sentinels)  # type: ignore[no-untyped-call]
    return manager.master_for(service, redis_class=Redis, retry=Retry(NoBackoff(), 0), **master)
