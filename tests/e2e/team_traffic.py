"""Mixed traffic of six keys in three teams through two workers: all APIs, forged requests, faults, a dead provider.

`ROUTER_TRAFFIC_REQUESTS` sets how many requests are sent, 300 if it is not given. Gate and cache are certain to act,
and caps are strict.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from custom_router.tiers import Tier
from tests.cache.redis_server import RedisServer
from tests.e2e.cache_stack import ASKED, FRANCE, cache_policy
from tests.e2e.conftest import wait_until
from tests.e2e.gate_stack import request_of
from tests.e2e.keyed_stack import KeyedCache, keyed_cache

WORKERS = ("--num_workers", "2", "--timeout_worker_healthcheck", "600")
REQUESTS = int(os.environ.get("ROUTER_TRAFFIC_REQUESTS", "300"))
AT_ONCE = 8
BUDGET = 0.004
SPENDING = "green-budget"
KINDS = ("chat", "completion", "responses", "messages")
FAULTS = ("rate_limit", "error_500", "refuse")
DOMAIN = {"medical": {"tier": "frontier", "gate": "on", "cache": "team", "rules": {"terms": ["insulin"]}}}
PROMPTS = (
    "A sure one?", "A middling one?", "An unsure one?", "An empty one?", "A refused one?", "A cut one?", FRANCE, ASKED,
    "How is insulin stored?",
)  # fmt: skip


@dataclass(frozen=True)
class Key:
    """What a key may have at most: a tier, and whose answers the cache may give it."""

    secret: str
    team: str
    cap: Tier
    cache: str


@dataclass(frozen=True)
class Traffic:
    """What became of all requests: how each key's ended, as its client saw it, and the records."""

    proxy: KeyedCache
    keys: dict[str, Key]
    outcomes: dict[str, Counter[str]]
    records: list[dict[str, Any]]

    def of(self, alias: str) -> list[dict[str, Any]]:
        """A key's records."""
        return [record for record in self.records if record["tenant"]["key_alias"] == alias]

    def metric(self, name: str, **labels: str) -> float:
        """A metric of all workers, summed over the labels that are not given."""
        text = self.proxy.http.get("/router/metrics").raise_for_status().text
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        lines = [line for line in text.splitlines() if re.match(rf"{name}(\{{|\s)", line)]
        assert lines, f"no metric is named {name}"
        return sum(float(line.rpartition(" ")[2]) for line in lines if all(label in line for label in wanted))


def of_calls(record: dict[str, Any]) -> float:
    """What a request's calls cost: LiteLLM knows nothing of what deciding does."""
    cost = record["cost"]
    return 0.0 if cost["total"] is None else cost["total"] - cost["embedding"]


@contextmanager
def team_traffic(work: Path) -> Iterator[Traffic]:
    """The stack, once all the traffic has been through it."""
    redis = RedisServer(work)
    shared = work / "metrics"
    shared.mkdir()
    environment = {"PROMETHEUS_MULTIPROC_DIR": str(shared)}
    # So that LiteLLM's own counts of what a key has spent are of both workers.
    environment |= {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(redis.port)}
    try:
        with keyed_cache(work, _policy(work, redis.url), arguments=WORKERS, **environment) as proxy:
            keys = _keys(proxy)
            outcomes, routed = asyncio.run(_send(proxy, keys, REQUESTS))
            proxy.reset()
            for alias, of in outcomes.items():
                print(alias, dict(of))
            traffic = Traffic(proxy, keys, outcomes, [])
            wait_until(lambda: len(proxy.records()) > routed, 120)
            for _ in range(2):  # gauges are a second old
                time.sleep(2)
                wait_until(lambda: traffic.metric("tier_router_requests_under_way") == 0, 120)
                wait_until(lambda: traffic.metric("tier_router_requests_total") == len(proxy.records()), 120)
            traffic.records.extend(proxy.records())
            yield traffic
    finally:
        redis.close()


def _policy(work: Path, redis: str) -> Path:
    """The cache tests' policy in Redis, with a domain whose tier does not win over a cap, and a price for deciding."""
    path = cache_policy(work, redis={"url": redis, "deadline_ms": 500})
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    document |= {"domains": DOMAIN, "callers": {"domain_over_cap": False}, "costs": {"cpu_usd_per_hour": 1.0}}
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def _keys(proxy: KeyedCache) -> dict[str, Key]:
    proxy.team("red", {"max_tier": "medium"})
    proxy.team("blue")
    proxy.team("green", {"cache": "private"})
    made: dict[str, tuple[str, dict[str, str], dict[str, float], Tier, str]] = {
        "red-capped": ("red", {"max_tier": "simple"}, {}, Tier.SIMPLE, "team"),
        "red-wide": ("red", {"max_tier": "frontier", "gate": "on"}, {}, Tier.MEDIUM, "team"),
        "blue-no-cache": ("blue", {"cache": "off"}, {}, Tier.FRONTIER, "off"),
        "blue-no-gate": ("blue", {"gate": "off"}, {}, Tier.FRONTIER, "team"),
        SPENDING: ("green", {"cache": "team"}, {"max_budget": BUDGET}, Tier.FRONTIER, "private"),
        "green-malformed": ("green", {"max_tier": "topmost"}, {}, Tier.SIMPLE, "private"),
    }
    return {
        alias: Key(proxy.key(router, key_alias=alias, team_id=proxy.team_ids[team], **fields), team, cap, cache)
        for alias, (team, router, fields, cap, cache) in made.items()
    }


def _forged(draw: random.Random) -> tuple[dict[str, Any], dict[str, str]]:
    """Body fields and headers with which a client may try for more than it has."""
    body = draw.choice(
        [
            {"metadata": {"router": {"max_tier": "frontier", "cache": "team"}, "user_api_key_team_id": "red"}},
            {"metadata": {"user_api_key_metadata": {"router": {"max_tier": "frontier"}}, "tier_router_request": "x"}},
            {"litellm_metadata": {"user_api_key_team_metadata": {"router": {"max_tier": "frontier"}}}},
            {"fallbacks": ["tier-frontier"], "context_window_fallbacks": [{"tier-simple": ["tier-frontier"]}]},
            {"fallbacks": [{"tier-simple": ["tier-frontier"]}], "num_retries": 2},
            {"extra_body": {"model": "claude-opus-5-5"}},
            {},
        ]
    )
    headers = draw.choice(
        [
            {"x-router-tier": "frontier"},
            {"x-router-tier": "medium", "x-router-cache": "refresh"},
            {"x-router-domain": "medical"},
            {"x-router-cache-id": "1", "x-litellm-tags": "frontier"},
            {},
        ]
    )
    return body, headers


async def _send(proxy: KeyedCache, keys: dict[str, Key], count: int) -> tuple[dict[str, Counter[str]], int]:
    """Send requests, a provider dying half-way; how they ended, by key, and how many say that they were routed."""
    draw = random.Random(11)
    outcomes: dict[str, Counter[str]] = defaultdict(Counter)
    routed: Counter[str] = Counter()
    limit = asyncio.Semaphore(AT_ONCE)
    for provider in ("hosted_vllm", "gemini", "anthropic", "openai"):
        for fault in FAULTS:
            rule = {"provider": provider, "fault": fault, "probability": 0.02}
            proxy.simulator.post("/_sim/faults", json=rule).raise_for_status()
    async with httpx.AsyncClient(base_url=proxy.stack.url, timeout=60, trust_env=False) as http:

        async def one(number: int, alias: str, kind: str, prompt: str, stream: bool, forge: bool) -> None:
            path, body = request_of(kind, prompt)
            if kind == "responses":
                body["store"] = False
            more, headers = _forged(draw) if forge else ({}, {})
            async with limit:
                if number == count // 2:
                    await asyncio.to_thread(proxy.kill, "deepseek")
                response = await http.post(
                    path,
                    json={"model": "auto", "stream": stream, **body, **more},
                    headers={**headers, "Authorization": f"Bearer {keys[alias].secret}"},
                )
            over = "budget" in response.text.lower()
            outcomes[alias]["budget" if response.status_code != 200 and over else str(response.status_code)] += 1
            routed[alias] += "x-router-request-id" in response.headers

        sent = []
        for number in range(count):
            alias = draw.choice(list(keys))
            choices = (draw.choice(KINDS), draw.choice(PROMPTS), draw.random() < 0.4, draw.random() < 0.4)
            sent.append(one(number, alias, *choices))
        await asyncio.gather(*sent)
    return outcomes, routed.total()
