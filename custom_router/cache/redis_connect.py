"""A Redis client for a URL: one server, a cluster, or what Sentinel says is the master."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import unquote, urlsplit

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff

_FROM_ENVIRONMENT = "os.environ/"
_SENTINEL_PORT = 26379


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
    options: dict[str, Any] = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}
    scheme = url.partition("://")[0]
    try:
        if scheme in ("redis+sentinel", "rediss+sentinel"):
            return _from_sentinel(url, options)
        if scheme in ("redis+cluster", "rediss+cluster"):
            return RedisCluster.from_url(url.replace("+cluster", "", 1), **options)
        return Redis.from_url(url, retry=Retry(NoBackoff(), 0), **options)
    except ValueError as error:
        raise BadRedisUrl(f"cache.redis.url ({scheme}://…): {str(error).replace(url, '…')}") from None


def _from_sentinel(url: str, options: dict[str, Any]) -> Any:
    parts = urlsplit(url)
    service, _, database = parts.path.strip("/").partition("/")
    if not service:
        raise ValueError("name the service: redis+sentinel://host:port,host:port/service")
    given, _, hosts = parts.netloc.rpartition("@")
    user, _, password = given.partition(":")
    nodes = []
    for host in hosts.split(","):
        name, _, port = host.rpartition(":") if ":" in host else (host, "", str(_SENTINEL_PORT))
        nodes.append((name, int(port)))
    if parts.scheme.startswith("rediss"):
        options = options | {"ssl": True}
    sentinel: Any = Sentinel(nodes, sentinel_kwargs=options)  # type: ignore[no-untyped-call]
    return sentinel.master_for(
        service,
        redis_class=Redis,
        username=unquote(user) or None,
        password=unquote(password) or None,
        db=int(database or 0),
        retry=Retry(NoBackoff(), 0),
        **options,
    )
