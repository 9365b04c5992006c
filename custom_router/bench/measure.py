"""The interleaved measurement: in every round each load goes to each variant in turn, in an order that rotates."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import islice

import aiohttp
import psutil

from custom_router.bench.load import Burst, open_client, send_burst
from custom_router.bench.prompts import fresh_prompts
from custom_router.bench.variants import VARIANTS, Variant
from custom_router.demo.stack import Stack

SHORT, LONG = 20, 256
_SETTLE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Load:
    """One kind of traffic: prompt length in tokens, requests in flight, requests a round, and who gets it."""

    tokens: int
    concurrency: int
    requests: int
    variants: tuple[Variant, ...] = VARIANTS


@dataclass(frozen=True, slots=True)
class Plan:
    """`rounds` of every load; `warm_up` untimed requests to each proxy first. After `limit_s` no round but the
    second begins."""

    rounds: int
    loads: tuple[Load, ...]
    warm_up: int
    limit_s: float


@dataclass(frozen=True, slots=True)
class Cell:
    """One burst on one variant in one round. `cpu_s` is the proxy's, all threads, until it came to rest."""

    variant: Variant
    tokens: int
    concurrency: int
    round: int
    burst: Burst
    cpu_s: float
    rss_mb: float


def make_plan(requests: int, rounds: int, limit_s: float, waves: int) -> Plan:
    """About `requests` timed ones a variant at each concurrency; more where a round has fewer than `waves` times the
    concurrency, which would measure little but the ramp."""
    each = max(1, round(requests / rounds))
    short = tuple(Load(SHORT, c, max(each, waves * c)) for c in (1, 10, 50))
    two = (Variant.BARE, Variant.PLUGIN)
    long = tuple(Load(LONG, c, max(each // 2, waves * c), two) for c in (1, 10))
    return Plan(rounds, short + long, warm_up=max(20, each), limit_s=limit_s)


def rotated(variants: tuple[Variant, ...], turn: int) -> tuple[Variant, ...]:
    """`variants`, beginning `turn` places later."""
    at = turn % len(variants)
    return variants[at:] + variants[:at]


async def measure(stacks: Mapping[Variant, Stack], plan: Plan, say: Callable[[str], None]) -> list[Cell]:
    """Run the plan; only one proxy is under load at a time. Every variant gets the same prompts, each once."""
    began = time.monotonic()
    cells: list[Cell] = []
    async with AsyncExitStack() as sessions:
        targets = {
            variant: _Target(
                variant,
                await sessions.enter_async_context(open_client(stack.url, stack.master_key)),
                psutil.Process(stack.proxy.pid),
            )
            for variant, stack in stacks.items()
        }
        prompts = {load: fresh_prompts(number, load.tokens) for number, load in enumerate(plan.loads)}
        warm = list(islice(fresh_prompts(len(plan.loads), SHORT), plan.warm_up))
        for target in targets.values():
            await target.load(warm, 10)
        for turn in range(plan.rounds):
            if turn >= 2 and time.monotonic() - began > plan.limit_s:
                say(f"time is up after {turn} of {plan.rounds} rounds")
                break
            for load in plan.loads:
                batch = list(islice(prompts[load], load.requests))
                cells += [await targets[variant].cell(load, turn, batch) for variant in rotated(load.variants, turn)]
            say(f"round {turn + 1} of {plan.rounds}, {time.monotonic() - began:.0f} s")
    return cells


@dataclass(slots=True)
class _Target:
    variant: Variant
    session: aiohttp.ClientSession
    process: psutil.Process

    async def load(self, prompts: Iterable[str], concurrency: int) -> Burst:
        burst = await send_burst(self.session, prompts, concurrency)
        await self._rest()
        return burst

    async def cell(self, load: Load, turn: int, prompts: list[str]) -> Cell:
        before = self._cpu_s()
        burst = await self.load(prompts, load.concurrency)
        spent = self._cpu_s() - before
        rss = self.process.memory_info().rss / 2**20
        return Cell(self.variant, load.tokens, load.concurrency, turn, burst, spent, rss)

    async def _rest(self) -> None:
        # LiteLLM logs after it has answered: that work is part of the request, and must not fall to the next proxy.
        deadline = time.monotonic() + _SETTLE_SECONDS
        last = self._cpu_s()
        while time.monotonic() < deadline:
            await asyncio.sleep(0.1)
            now = self._cpu_s()
            if now - last <= 0.01:  # one clock tick
                return
            last = now

    def _cpu_s(self) -> float:
        processes = [self.process, *self.process.children(recursive=True)]
        return sum(sum(p.cpu_times()[:2]) for p in processes)
