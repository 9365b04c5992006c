"""Two workers and a real Redis: one policy, one cache, one set of counters, no record lost when they are stopped."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml

from custom_router.observed import PARTS
from tests.cache.redis_server import RedisServer
from tests.e2e.cache_stack import ASKED, FRANCE, CacheProxy, cache_policy, cache_replay
from tests.e2e.conftest import wait_until
from tests.e2e.gate_stack import GateStack, gate_config, request_of

WORKERS = 2
# A worker that is still importing does not answer its parent, which after five seconds would begin a new one for ever.
ARGUMENTS = ("--num_workers", str(WORKERS), "--timeout_worker_healthcheck", "600")
SEGMENT = re.compile(r"decisions-.+-(\d+)-\w+\.jsonl$")


class Workers(CacheProxy):
    """A proxy of several processes. Each request goes over a connection of its own, so that any of them may answer."""

    def post(self, prompt: str, kind: str = "chat", **options: Any) -> httpx.Response:
        path, body = request_of(kind, prompt)
        if kind == "responses":
            body["store"] = False
        headers = options.pop("headers", None)
        with httpx.Client(base_url=self.stack.url, headers=self.http.headers, timeout=60, trust_env=False) as http:
            return http.post(path, json={"model": "auto", **body, **options}, headers=headers)

    def by_worker(self) -> dict[int, list[dict[str, Any]]]:
        """Records by the process that wrote them."""
        found: dict[int, list[dict[str, Any]]] = defaultdict(list)
        for segment in self.stack.records.glob("*.jsonl"):
            named = SEGMENT.search(segment.name)
            assert named is not None, segment
            found[int(named[1])] += [
                json.loads(line) for line in segment.read_bytes().rpartition(b"\n")[0].splitlines()
            ]
        return found

    def until_each(
        self, prompt: str, wanted: Any, headers: Mapping[str, str] | None = None
    ) -> dict[int, list[dict[str, Any]]]:
        """Ask until every worker has a new record that `wanted` is true of; those records."""
        known = {record["request_id"] for record in self.settled()}

        def kept() -> dict[int, list[dict[str, Any]]]:
            found = {
                pid: [record for record in records if record["request_id"] not in known and wanted(record)]
                for pid, records in self.by_worker().items()
            }
            return {pid: records for pid, records in found.items() if records}

        def each() -> bool:
            assert self.post(prompt, headers=headers).status_code == 200
            return len(kept()) == WORKERS

        wait_until(each, 60)
        return kept()

    def settled(self) -> list[dict[str, Any]]:
        """All records, once there are as many as requests have ended in all workers."""
        wait_until(lambda: self.counted("tier_router_requests_total") == len(self.records()), 60)
        return self.records()

    def kept_once(self, prompt: str) -> str:
        """Empty the cache, then ask until an answer is stored; its entry's id."""
        self.drop()
        assert self.post(prompt).status_code == 200
        wait_until(lambda: self.stored() == 1)
        (entry,) = self.show()["shown"]
        return str(entry["entry_id"])

    def told(self, metric: str) -> dict[str, float]:
        """A metric's values by its labels, as any worker tells them."""
        text = self.http.get("/router/metrics").raise_for_status().text
        lines = [line for line in text.splitlines() if re.match(rf"{metric}[{{ ]", line)]
        return {line.rpartition(" ")[0].removeprefix(metric): float(line.rpartition(" ")[2]) for line in lines}

    def counted(self, metric: str) -> float:
        """A counter summed over its labels."""
        return sum(self.told(metric).values())


def start(work: Path, url: str) -> GateStack:
    """Two workers that share a Redis and, for their counters, a directory."""
    shared = work / "metrics"
    shared.mkdir()
    policy = cache_policy(work, redis={"url": url, "deadline_ms": 2_000})
    return GateStack(
        gate_config(work), policy, work, latency_scale=0.0, replay=cache_replay(work / "replay.jsonl"),
        extra_env={"PROMETHEUS_MULTIPROC_DIR": str(shared)}, arguments=ARGUMENTS,
    )  # fmt: skip


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.close()


@pytest.fixture(scope="module")
def workers(redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    with start(tmp_path_factory.mktemp("workers"), redis.url) as stack:
        proxy = Workers(stack)
        # An encoder is loaded when first needed, in each worker by itself.
        proxy.until_each("Load the encoder, please.", lambda record: True)
        yield proxy


def test_both_take_up_an_edited_policy(workers: Workers) -> None:
    path = workers.stack.policy
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    before = {record["policy_version"] for record in workers.settled()}
    path.write_text(yaml.safe_dump({**document, "long_context": {"tokens": 30_000}}), encoding="utf-8")
    served = workers.until_each("Which policy is it?", lambda record: record["policy_version"] not in before)
    (version,) = {record["policy_version"] for records in served.values() for record in records}
    in_force = {f'{{version="{version}"}}'}
    wait_until(lambda: {v for v, told in workers.told("tier_router_policy_info").items() if told} == in_force)


def test_what_one_stores_both_serve(workers: Workers) -> None:
    kept = workers.kept_once(FRANCE)
    hits = workers.until_each(FRANCE, lambda record: record["cache"]["status"] == "hit")
    assert {record["cache"]["entry_id"] for records in hits.values() for record in records} == {kept}


def test_what_a_conversation_reached_in_one_holds_in_both(workers: Workers) -> None:
    opening = {"role": "user", "content": "Name a town in France."}
    (sent, answer) = ({"x-router-tier": "medium"}, {"role": "assistant", "content": "Lyon."})
    assert workers.post("", messages=[opening], headers=sent).headers["x-router-tier"] == "medium"
    known = {record["request_id"] for record in workers.settled()}

    def each() -> bool:
        # Every time another turn, which no worker can know from the last.
        asked = {"role": "user", "content": f"List the {len(workers.records())} best streets there, by their length."}
        response = workers.post("", messages=[opening, answer, asked])
        assert response.status_code == 200
        found = workers.by_worker().values()
        return sum(any(r["request_id"] not in known for r in records) for records in found) == WORKERS

    wait_until(each, 60)
    later = [record for record in workers.settled() if record["request_id"] not in known]
    assert {(record["decided_tier"], record["decided_by"]) for record in later} == {("medium", "conversation_floor")}


def test_what_is_dropped_is_dropped_in_both(workers: Workers) -> None:
    workers.kept_once(ASKED)
    workers.until_each(ASKED, lambda record: record["cache"]["status"] == "hit")
    assert workers.drop() == 1
    misses = workers.until_each(
        ASKED, lambda record: record["cache"]["status"] == "miss", {"x-router-cache": "no-store"}
    )
    assert len(misses) == WORKERS
    assert workers.stored() == 0


def test_counters_agree_with_the_records(workers: Workers) -> None:
    for number in range(24):
        kind = ("chat", "responses", "messages")[number % 3]
        assert workers.post(f"How many eggs are in box {number}?", kind).status_code == 200
    records = workers.settled()
    assert len(workers.by_worker()) == WORKERS
    assert workers.counted("tier_router_decisions_total") == len(records)
    statuses = Counter(record["cache"]["status"] for record in records)
    assert workers.counted("tier_router_cache_requests_total") == sum(statuses.values())
    for part in PARTS:
        paid = sum(record["cost"][part] or 0.0 for record in records if record["cost"]["total"] is not None)
        told = workers.told("tier_router_cost_parts_usd_total")[f'{{part="{part}"}}']
        assert told == pytest.approx(paid, abs=1e-9)
    saved = workers.counted("tier_router_saved_usd_total") - workers.counted("tier_router_lost_usd_total")
    assert saved == pytest.approx(sum(record["cost"]["saved"] or 0.0 for record in records), abs=1e-9)
    wait_until(lambda: workers.counted("tier_router_requests_under_way") == 0)
    assert set(workers.told("tier_router_breaker_open").values()) == {0.0}


def test_a_worker_that_is_killed_is_replaced(workers: Workers) -> None:
    workers.settled()
    victim, *others = workers.by_worker()
    before = workers.counted("tier_router_requests_total")
    os.kill(victim, signal.SIGKILL)

    def replaced() -> bool:
        with suppress(httpx.TransportError):  # the connection was the dead one's
            workers.post("Who is there?")
        return bool(workers.by_worker().keys() - {victim, *others})

    # On a busy machine the parent takes its time to see who is gone, and the new worker to import.
    wait_until(replaced, 300)
    # What it had counted stays, and its last state is not told for ever.
    assert workers.counted("tier_router_requests_total") > before
    gauges = {int(path.stem.rpartition("_")[2]) for path in (workers.stack.workdir / "metrics").glob("gauge_live*.db")}
    assert victim not in gauges


def test_stopping_under_load_loses_no_record(redis: RedisServer, tmp_path: Path) -> None:
    """SIGTERM while requests are on their way: every request that a client has an answer to has its one record."""
    answered: list[str] = []
    with start(tmp_path, redis.url) as stack:
        proxy = Workers(stack)
        proxy.until_each("Load the encoder, please.", lambda record: True)
        known = {record["request_id"] for record in proxy.settled()}
        parent = stack.proxy
        children = psutil.Process(parent.pid).children(recursive=True)

        async def load() -> None:
            limit = asyncio.Semaphore(12)
            async with httpx.AsyncClient(
                base_url=stack.url, headers=proxy.http.headers, timeout=60, trust_env=False
            ) as http:

                async def one(number: int) -> None:
                    async with limit:
                        if number == 40:
                            parent.send_signal(signal.SIGTERM)
                        path, body = request_of(("chat", "messages")[number % 2], f"How many eggs are in box {number}?")
                        try:
                            response = await http.post(path, json={"model": "auto", "stream": number % 3 == 0, **body})
                        except httpx.TransportError:
                            return  # it came too late
                        if response.status_code == 200:
                            answered.append(response.headers["x-router-request-id"])

                await asyncio.gather(*(one(number) for number in range(120)))

        asyncio.run(load())
        assert parent.wait(60) is not None
        gone, alive = psutil.wait_procs(children, timeout=30)
        assert not alive
        assert gone
    written = Counter(record["request_id"] for record in proxy.records() if record["request_id"] not in known)
    print(f"{len(answered)} answered, {len(written)} records")
    assert len(answered) >= 28
    assert set(answered) <= written.keys()
    assert set(written.values()) == {1}
