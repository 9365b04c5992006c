"""A Redis server for the tests that need one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cache.redis_server import RedisServer


@pytest.fixture(params=[False, True], ids=["mirror", "vector_sets"])
def vector_sets(request: pytest.FixtureRequest) -> bool:
    """Whether the server has vector sets: once without, once with."""
    return bool(request.param)


@pytest.fixture
def redis_server(tmp_path: Path, vector_sets: bool) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path, vector_sets=vector_sets)
    yield server
    server.close()
