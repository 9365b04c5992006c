"""A closed-loop client: so many requests in flight over connections that stay open, each timed to its last byte."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

REQUEST_SECONDS = 60.0
ANSWER_TOKENS = 16


@dataclass(slots=True)
class Burst:
    """What a burst of requests came to: milliseconds of each answered one, seconds of the whole.

    `routed` counts the answered requests by tier, cause and cache outcome as the product's headers name them.
    """

    latencies_ms: list[float] = field(default_factory=list)
    seconds: float = 0.0
    failed: int = 0
    routed: Counter[str] = field(default_factory=Counter)


@asynccontextmanager
async def open_client(url: str, key: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A session whose connections stay open from one request to the next."""
    async with aiohttp.ClientSession(
        url,
        headers={"Authorization": f"Bearer {key}"},
        # Below the five seconds after which uvicorn closes an idle connection: using one it has closed is an error.
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=3),
        timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS),
    ) as session:
        yield session


async def send_burst(session: aiohttp.ClientSession, prompts: Iterable[str], concurrency: int) -> Burst:
    """Send one chat request a prompt, `concurrency` at a time. The connections are opened before the clock starts."""
    await asyncio.gather(*(_open_connection(session) for _ in range(concurrency)))
    burst = Burst()
    waiting = iter(prompts)
    began = time.perf_counter()
    await asyncio.gather(*(_work(session, waiting, burst) for _ in range(concurrency)))
    burst.seconds = time.perf_counter() - began
    return burst


async def _open_connection(session: aiohttp.ClientSession) -> None:
    async with session.get("/health/liveliness") as response:
        await response.read()


async def _work(session: aiohttp.ClientSession, prompts: Iterator[str], burst: Burst) -> None:
    for prompt in prompts:
        body = {"model": "auto", "max_tokens": ANSWER_TOKENS, "messages": [{"role": "user", "content": prompt}]}
        began = time.perf_counter()
        try:
            async with session.post("/v1/chat/completions", json=body) as response:
                await response.read()
                status, headers = response.status, response.headers
        except (aiohttp.ClientError, TimeoutError):
            burst.failed += 1
            continue
        if status != 200:
            burst.failed += 1
            continue
        burst.latencies_ms.append((time.perf_counter() - began) * 1000)
        for name in ("tier", "cause", "cache"):
            if value := headers.get(f"x-router-{name}"):
                burst.routed[f"{name} {value}"] += 1
