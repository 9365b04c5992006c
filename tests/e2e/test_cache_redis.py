"""A real Redis behind two proxies: shared entries, invalidation that reaches both, death and healing."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis

from custom_router.demo.stack import free_port
from tests.cache.redis_server import MISSING, NO_VECTOR_SETS, redis_8
from tests.e2e.cache_stack import ASKED, FRANCE, CacheProxy, cache_of, cache_policy, cache_replay, drop_under_way
from tests.e2e.conftest import wait_until
from tests.e2e.gate_stack import GateStack, gate_config

REQUESTS = int(os.environ.get("ROUTER_CACHE_REQUESTS", "500"))
"""All in flight at once."""


class Server:
    """One Redis server of the machine's own, on a port that stays."""

    def __init__(self, folder: Path, program: str) -> None:
        self.folder = folder
        self.program = program
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client = redis.Redis(port=self.port, socket_timeout=5)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [self.program, "--port", str(self.port), "--save", "", "--dir", str(self.folder)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_until(self.answers)

    def answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.RedisError:
            return False

    def lookups(self) -> int:
        """Entries that were asked for so far."""
        return int(self.client.info("commandstats").get("cmdstat_hmget", {"calls": 0})["calls"])

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.client.close()


@pytest.fixture(scope="module", params=[False, True], ids=["mirror", "vector_sets"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    program = redis_8() if request.param else shutil.which("redis-server")
    if program is None:
        pytest.skip(NO_VECTOR_SETS if request.param else MISSING)
    made = Server(tmp_path_factory.mktemp("redis"), program)
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def both(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[CacheProxy, CacheProxy]]:
    """Two proxies, as two workers are: processes that share nothing but the Redis."""
    stacks, proxies = [], []
    try:
        for name in ("one", "two"):
            work = tmp_path_factory.mktemp(name)
            policy = cache_policy(work, redis={"url": server.url, "deadline_ms": 2_000})
            replay = cache_replay(work / "replay.jsonl")
            stack = GateStack(gate_config(work), policy, work, latency_scale=0.0, replay=replay)
            stacks.append(stack)
            stack.__enter__()
            proxy = CacheProxy(stack)
            proxies.append(proxy)
            proxy.send("chat", "Load the encoder, please.")
        for proxy in proxies:
            wait_until(lambda proxy=proxy: proxy.health()["encoder"]["state"] == "ready", 60)
        yield proxies[0], proxies[1]
    finally:
        for stack in stacks:
            stack.stop()


@pytest.fixture
def pair(both: tuple[CacheProxy, CacheProxy], server: Server) -> tuple[CacheProxy, CacheProxy]:
    """Both with nothing stored."""
    if not server.answers():
        server.start()
    for proxy in both:
        proxy.reset()
        proxy.idle()
        wait_until(lambda proxy=proxy: proxy.health()["cache"]["connected"], 60)
    both[0].drop()
    return both


def test_what_one_stores_the_other_serves(pair: tuple[CacheProxy, CacheProxy]) -> None:
    one, two = pair
    one.keep("chat", FRANCE)
    exact = two.send("chat", FRANCE)
    assert cache_of(exact) == "hit"
    assert two.asked() == {}
    wait_until(lambda: cache_of(two.send("chat", "What's the capital of France?")) == "hit")
    assert two.record(exact)["cache"]["kind"] == "exact"


def test_dropping_reaches_both(pair: tuple[CacheProxy, CacheProxy]) -> None:
    one, two = pair
    one.keep("chat", FRANCE)
    wait_until(lambda: cache_of(two.send("chat", "What's the capital of France?")) == "hit")
    assert two.drop(like=FRANCE) >= 1
    for proxy in pair:
        for prompt in (FRANCE, "What's the capital of France?"):
            response = proxy.send("chat", prompt, headers={"x-router-cache": "no-store"})
            assert cache_of(response) == "miss"


def test_dropping_reaches_the_answers_that_are_under_way_in_the_other(pair: tuple[CacheProxy, CacheProxy]) -> None:
    one, two = pair
    assert cache_of(drop_under_way(one, two)) == "miss"
    assert one.stored() == two.stored() == 0
    one.reset()
    one.keep("chat", FRANCE)


def test_bad_feedback_reaches_both(pair: tuple[CacheProxy, CacheProxy]) -> None:
    one, two = pair
    one.keep("chat", ASKED)
    hit = two.send("chat", ASKED)
    two.record(hit)
    body = {"request_id": hit.headers["x-router-request-id"], "label": "bad"}
    assert two.http.post("/router/feedback", json=body).json()["dropped"] == 1
    assert cache_of(one.send("chat", ASKED)) == "miss"


def test_redis_killed_under_load_loses_no_request_and_heals_by_itself(
    pair: tuple[CacheProxy, CacheProxy], server: Server
) -> None:
    one, _ = pair
    one.keep("chat", ASKED)

    async def load() -> list[httpx.Response]:
        headers = {"Authorization": f"Bearer {one.stack.master_key}"}
        unlimited, looked_up = httpx.Limits(max_connections=None), server.lookups()
        async with httpx.AsyncClient(
            base_url=one.stack.url, headers=headers, timeout=120, limits=unlimited, trust_env=False
        ) as http:

            async def ask(number: int) -> httpx.Response:
                content = ASKED if number % 2 else f"How many eggs are in box number {number}?"
                body = {"model": "auto", "messages": [{"role": "user", "content": content}], "stream": number % 3 == 0}
                return await http.post("/v1/chat/completions", json=body)

            asking = [asyncio.create_task(ask(number)) for number in range(REQUESTS // 2)]
            await asyncio.to_thread(wait_until, lambda: server.lookups() > looked_up + REQUESTS // 5)
            server.kill()
            asking += [asyncio.create_task(ask(number)) for number in range(REQUESTS // 2, REQUESTS)]
            return await asyncio.gather(*asking)

    responses = asyncio.run(load())
    assert Counter(response.status_code for response in responses) == {200: REQUESTS}
    assert not server.answers()
    told = Counter(response.headers["x-router-cache"] for response in responses)
    print(f"{REQUESTS} requests, Redis killed among them: {dict(told)}")
    assert told["hit"] > 0
    told_causes = [response.headers["x-router-cause"].split(",") for response in responses]
    causes = {cause for told in told_causes for cause in told if cause.startswith("cache_")}
    assert causes
    assert causes <= {"cache_unavailable", "cache_timeout", "cache_breaker_open"}
    one.idle()
    counted = 'tier_router_stage_failures_total{cause="cache_'
    wait_until(lambda: counted in one.http.get("/router/metrics").text)
    wait_until(lambda: 'tier_router_part_unavailable{part="cache"} 1.0' in one.http.get("/router/metrics").text)
    assert {len(one.records_of(r.headers["x-router-request-id"])) for r in responses[-3:]} == {1}
    refused = one.http.post("/router/cache/invalidate", json={"all": True})
    assert refused.status_code == 503

    server.start()
    wait_until(lambda: 'tier_router_part_unavailable{part="cache"} 0.0' in one.http.get("/router/metrics").text)

    def heals() -> bool:
        return cache_of(one.send("chat", FRANCE)) == "hit"

    wait_until(heals, 60)
