"""What one worker knows of a conversation another finds in Redis, and neither needs it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from custom_router.causes import Cause
from custom_router.conversations import place
from custom_router.decision import Decision
from custom_router.engine import RouterEngine
from custom_router.policy import Caller
from custom_router.policy.cache import RedisPolicy
from custom_router.request import RequestView
from custom_router.shared_floors import SharedFloors
from custom_router.tiers import Tier
from tests.cache.redis_server import RedisServer

POLICY = """\
tiers:
  simple: {{model: s, threshold: 0.6}}
  medium: {{model: m, threshold: 0.6}}
  frontier: {{model: f}}
classifier: {{kind: constant, constant: 0.9}}
cache: {{redis: {{url: "{url}", deadline_ms: {deadline_ms}}}}}
"""
RIVERS = "Name three rivers of France, in a table, with their lengths."
LAKES = "Name three lakes of Norway, in a table, with their depths."
Make = Callable[..., RouterEngine]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    made = RedisServer(tmp_path)
    yield made
    made.close()


@pytest.fixture
async def worker(server: RedisServer, tmp_path: Path) -> AsyncIterator[Make]:
    made: list[RouterEngine] = []

    def build(url: str = server.url, deadline_ms: float = 10_000, more: str = "") -> RouterEngine:
        path = tmp_path / f"policy{len(made)}.yaml"
        path.write_text(POLICY.format(url=url, deadline_ms=deadline_ms) + more)
        engine = RouterEngine.from_policy(path)
        engine.shared = SharedFloors(ttl_s=3600.0)  # as `start` does, without an encoder
        made.append(engine)
        return engine

    yield build
    for engine in made:
        engine.close()
        if engine.shared is not None:
            await engine.shared.settled()


def chat(*texts: str) -> RequestView:
    messages = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]
    return RequestView.from_chat({"messages": messages})


async def ask(engine: RouterEngine, *texts: str, least: Tier = Tier.SIMPLE, **options: Any) -> Decision:
    decision = await engine.decide(chat(*texts), Caller(header_tier=least), tenant="t", **options)
    assert engine.shared is not None
    await engine.shared.settled()
    return decision


async def test_a_conversation_keeps_its_tier_from_worker_to_worker(worker: Make) -> None:
    a, b = worker(), worker()
    await ask(a, "Hello", least=Tier.MEDIUM)
    second = await ask(b, "Hello", "So.", RIVERS)
    assert (second.tier, second.set_by) == (Tier.MEDIUM, Cause.CONVERSATION_FLOOR)
    assert "recall" in second.latency_ms
    await ask(b, "Hello", "So.", RIVERS, "So.", "Prove it.", least=Tier.FRONTIER)
    turns = ["Hello", "So.", RIVERS, "So.", "Prove it.", "So.", LAKES]
    assert (await ask(a, *turns)).tier is Tier.FRONTIER, "later than what this worker knows itself"
    assert (await ask(worker(), *turns, "So.", RIVERS)).tier is Tier.FRONTIER
    assert (await ask(b, "Hello", "So.", "Prove it.", "So.", LAKES)).tier is Tier.MEDIUM, "another branch"
    assert (await b.decide(chat("Hello", "So.", RIVERS, "So.", LAKES), tenant="another key")).tier is Tier.SIMPLE


async def test_a_turn_asked_again_has_the_tier_of_the_last_time_everywhere(worker: Make) -> None:
    a, b = worker(), worker()
    await ask(a, "Hello", least=Tier.FRONTIER)
    await ask(b, "Hello")
    assert (await ask(worker(), "Hello", "So.", RIVERS)).tier is Tier.SIMPLE


async def test_redis_is_asked_only_for_what_might_be_news(worker: Make, server: RedisServer) -> None:
    async with Redis.from_url(server.url) as redis:

        async def asked() -> int:
            told = await redis.info("commandstats")
            return int(told.get("cmdstat_mget", {"calls": 0})["calls"])

        a, b = worker(), worker()
        await ask(a, "Hello", least=Tier.MEDIUM)
        await ask(a, "Hello", "So.", RIVERS)
        assert await asked() == 0, "an opening request, and one whose last turn was here"
        await ask(b, "Hello", "So.", RIVERS, "So.", LAKES, rehearsal=True)
        await ask(worker(more="conversations: {sticky: false}\n"), "Hello", "So.", RIVERS)
        assert await asked() == 0
        await ask(b, "Hello", "So.", RIVERS, "So.", LAKES)
        assert await asked() == 1
        top = worker()
        await ask(top, "Hello", least=Tier.FRONTIER)
        await ask(top, "Hello", "So.", RIVERS, "So.", LAKES)
        assert await asked() == 1, "there is no tier above"


async def test_what_is_kept_expires_and_a_simple_turn_takes_no_room(worker: Make, server: RedisServer) -> None:
    a = worker()
    await ask(a, "Hello", least=Tier.MEDIUM)
    await ask(a, "Good day")
    async with Redis.from_url(server.url) as redis:
        (key,) = await redis.keys("*")
        assert key.startswith(b"tier-router:turn:1:")
        assert 0 < await redis.pttl(key) <= 3_600_000


async def test_what_another_program_wrote_is_no_tier(worker: Make, server: RedisServer) -> None:
    a, b = worker(), worker()
    await ask(a, "Hello", least=Tier.MEDIUM)
    async with Redis.from_url(server.url) as redis:
        (key,) = await redis.keys("*")
        await redis.set(key, b"\xffdearest")
        assert (await ask(b, "Hello", "So.", RIVERS)).tier is Tier.SIMPLE
        await redis.delete(key)
        await redis.hset(key, "a", "b")
        assert (await ask(b, "Hello", "So.", LAKES)).tier is Tier.SIMPLE


@pytest.mark.parametrize("trouble", [RedisServer.kill, RedisServer.hang])
async def test_without_an_answer_each_worker_goes_by_its_own_memory(
    worker: Make, server: RedisServer, trouble: Callable[[RedisServer], None]
) -> None:
    a, b = worker(deadline_ms=50), worker(deadline_ms=50)
    await ask(a, "Hello", least=Tier.MEDIUM)
    trouble(server)
    for number in range(12):  # past the breaker's patience
        assert (await ask(b, "Hello", "So.", f"{RIVERS} {number}")).tier is Tier.SIMPLE
        assert (await ask(a, "Hello", "So.", f"{RIVERS} {number}")).tier is Tier.MEDIUM


async def test_a_full_server_is_still_read(worker: Make, server: RedisServer) -> None:
    a, b = worker(), worker()
    await ask(a, "Hello", least=Tier.MEDIUM)
    async with Redis.from_url(server.url) as redis:
        await redis.config_set("maxmemory-policy", "noeviction")
        await redis.config_set("maxmemory", "1")
        for number in range(12):
            assert (await ask(b, "Hello", "So.", f"{RIVERS} {number}")).tier is Tier.MEDIUM


async def test_a_url_that_names_no_redis_leaves_each_worker_alone(
    worker: Make, caplog: pytest.LogCaptureFixture
) -> None:
    assert "NO_SUCH_REDIS" not in os.environ
    a = worker("os.environ/NO_SUCH_REDIS")
    await ask(a, "Hello", least=Tier.MEDIUM)
    assert (await ask(a, "Hello", "So.", RIVERS)).tier is Tier.MEDIUM
    assert "each worker alone" in caplog.text


async def test_another_server_in_the_policy_is_taken_up(server: RedisServer, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = RedisServer(tmp_path / "other")
    try:
        floors = SharedFloors(60.0)
        first, second = place(chat("Hello"), "t"), place(chat("Hello", "So.", RIVERS), "t")
        one, two = (RedisPolicy(url=s.url, deadline_ms=10_000) for s in (server, other))
        floors.reach(one, first, Tier.MEDIUM)
        await floors.settled()
        assert await floors.floor(one, second, second.answered) is Tier.MEDIUM
        assert await floors.floor(two, second, second.answered) is None
        assert await floors.floor(one, second, second.answered) is Tier.MEDIUM
        floors.close()
        await floors.settled()
    finally:
        other.close()
