"""A client for every kind of URL, and no password in any message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from redis.asyncio import Redis, RedisCluster

from custom_router.cache.memory import MemoryStore
from custom_router.cache.redis_connect import BadRedisUrl, connect
from custom_router.cache.stores import open_store
from custom_router.policy import CachePolicy


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://u:p%40@host:7000/3", {"host": "host", "port": 7000, "db": 3, "username": "u", "password": "p@"}),
        ("rediss://host", {"host": "host"}),
        ("unix:///run/redis.sock?db=2", {"path": "/run/redis.sock", "db": 2}),
    ],
)
def test_one_server(url: str, expected: dict[str, Any]) -> None:
    client = connect(url, 0.02)
    assert isinstance(client, Redis)
    options = client.connection_pool.connection_kwargs
    assert {name: options.get(name) for name in expected} == expected
    assert options["socket_timeout"] == 0.02


def test_sentinel() -> None:
    query = "sentinel_username=watch&sentinel_password=w%40&socket_keepalive=no"
    client = connect(f"redis+sentinel://u:p%40@one:26000,two,[::1]:27/mymaster/4?{query}", 0.02)
    pool = client.connection_pool
    assert pool.service_name == "mymaster"
    master = {"db": 4, "username": "u", "password": "p@", "socket_keepalive": False, "socket_timeout": 0.02}
    assert {name: pool.connection_kwargs.get(name) for name in master} == master
    sentinels = [one.connection_pool.connection_kwargs for one in pool.sentinel_manager.sentinels]
    assert [(one["host"], one["port"]) for one in sentinels] == [("one", 26000), ("two", 26379), ("::1", 27)]
    assert {(one["username"], one["password"], one["socket_timeout"]) for one in sentinels} == {("watch", "w@", 0.02)}


def test_what_the_sentinels_are_not_told() -> None:
    pool = connect("redis+sentinel://u:p@one/mymaster", 0.02).connection_pool
    asked = pool.sentinel_manager.sentinels[0].connection_pool.connection_kwargs
    assert (asked["username"], asked["password"]) == (None, None)


def test_cluster() -> None:
    assert isinstance(connect("redis+cluster://u:p@one:7000", 0.02), RedisCluster)


def test_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CACHE_URL", "redis://elsewhere/0")
    assert connect("os.environ/CACHE_URL", 1).connection_pool.connection_kwargs["host"] == "elsewhere"


@pytest.mark.parametrize("url", ["redis+sentinel://u:secret@host:1/", "redis://u:secret@host:port/0", "os.environ/NOT"])
def test_what_names_no_redis(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOT", raising=False)
    with pytest.raises(BadRedisUrl) as refused:
        connect(url, 1)
    assert "secret" not in str(refused.value)


def test_an_odd_scheme_is_refused_with_the_policy() -> None:
    with pytest.raises(ValidationError) as refused:
        CachePolicy.model_validate({"redis": {"url": "http://u:secret@host"}})
    assert "redis://" in str(refused.value.errors()[0]["msg"])


def test_a_redis_that_cannot_be_named_leaves_the_entries_in_memory(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("NOT", raising=False)
    store, problem = open_store(CachePolicy.model_validate({"redis": {"url": "os.environ/NOT"}}))
    assert isinstance(store, MemoryStore)
    assert problem is not None
    assert "NOT is not set" in problem
    assert "NOT is not set" in caplog.text


def test_a_file_is_named_by_the_policy(tmp_path: Path) -> None:
    store, problem = open_store(CachePolicy(file=str(tmp_path / "cache.bin")))
    assert isinstance(store, MemoryStore)
    assert problem is None
