"""The engine alone, in this process: decisions a second, and how long classification holds up the event loop."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from custom_router.bench.analysis import percentiles
from custom_router.bench.measure import LONG, SHORT
from custom_router.bench.prompts import fresh_prompts
from custom_router.demo.simulated import write_yaml
from custom_router.engine import RouterEngine
from custom_router.policy import Policy
from custom_router.request import RequestView

BEAT_S = 0.001
SEGMENTS = 5
_SEED = 1_000


@dataclass(frozen=True, slots=True)
class EngineRate:
    """Decisions a second, each waited for; `over_budget` took longer than the policy gives the encoder when serving."""

    call: str
    tokens: int
    decisions: int
    per_second: float
    p50_ms: float | None
    p99_ms: float | None
    over_budget: int | None


@dataclass(frozen=True, slots=True)
class LoopLag:
    """How late a task that wakes every millisecond woke, in ms, over `beats` wake-ups.

    `idle` is the control: the same task with nothing else on the loop, in segments between the classifying ones.
    """

    load: str
    tokens: int
    beats: int
    p99_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True)
class EngineFigures:
    """Everything measured in process."""

    rates: list[EngineRate]
    lags: list[LoopLag]


async def measure_engine(policy: Path, decisions: int) -> EngineFigures:
    """`decisions` for each figure, a quarter of them for long prompts, with the real encoder.

    Raises `PolicyError` or `EncoderUnavailable`.
    """
    engine = RouterEngine.from_policy(policy)
    try:
        engine.encoder.load_now()
        await engine.decide_many(_views(_SEED, SHORT, 20))
        rates, lags = [], []
        for tokens, count in ((SHORT, decisions), (LONG, max(1, decisions // 4))):
            rates.append(await _batch_rate(engine, tokens, count))
            rates += [await _concurrent_rate(engine, tokens, count, c) for c in (1, 10)]
            lags += await _loop_lags(engine, tokens, count)
    finally:
        engine.close()
    for call, threshold in (("first stage alone", None), ("encoder every time", 0.0)):
        rates += await _stage_rates(policy, call, threshold, decisions)
    return EngineFigures(rates, lags)


async def _stage_rates(policy: Path, call: str, threshold: float | None, decisions: int) -> list[EngineRate]:
    """New short prompts, one after another, and the same ones again, whose scores are remembered.

    `threshold` is every domain's: None, and no domain asks the sentence encoder; 0, and every prompt needs it.
    """
    document = Policy.load(policy).document.model_dump(mode="json")
    for domain in document["domains"].values():
        domain["threshold"] = threshold
    with tempfile.TemporaryDirectory() as folder:
        changed = Path(folder) / "routing_policy.yaml"
        write_yaml(changed, document)
        engine = RouterEngine.from_policy(changed)
        try:
            engine.encoder.load_now()
            await engine.decide_many(_views(_SEED + 90, SHORT, 20))
            views = _views(_SEED + 91, SHORT, decisions)
            return [await _one_by_one(engine, label, views) for label in (call, f"{call}, repeated")]
        finally:
            engine.close()


async def _one_by_one(engine: RouterEngine, call: str, views: list[RequestView]) -> EngineRate:
    times = []
    began = time.perf_counter()
    for view in views:
        before = time.perf_counter()
        await engine.decide(view, tenant="one", patient=True)
        times.append((time.perf_counter() - before) * 1000)
    per_second = len(views) / (time.perf_counter() - began)
    at = percentiles(times)
    return EngineRate(call, SHORT, len(views), per_second, at[50], at[99], None)


async def _batch_rate(engine: RouterEngine, tokens: int, decisions: int) -> EngineRate:
    views = _views(_SEED + 1, tokens, decisions)
    began = time.perf_counter()
    await engine.decide_many(views)
    return EngineRate("decide_many", tokens, decisions, decisions / (time.perf_counter() - began), None, None, None)


async def _concurrent_rate(engine: RouterEngine, tokens: int, decisions: int, concurrency: int) -> EngineRate:
    began = time.perf_counter()
    times = await _decide_all(engine, _views(_SEED + 2 + concurrency, tokens, decisions), concurrency)
    seconds = time.perf_counter() - began
    at = percentiles(times)
    over = sum(ms > engine.policy.document.latency_budget_ms.encoder for ms in times)
    return EngineRate(f"decide × {concurrency}", tokens, decisions, decisions / seconds, at[50], at[99], over)


async def _decide_all(engine: RouterEngine, views: list[RequestView], concurrency: int) -> list[float]:
    """Milliseconds of each decision."""
    times: list[float] = []
    waiting = iter(enumerate(views))

    async def work(waiting: Iterator[tuple[int, RequestView]]) -> None:
        for number, view in waiting:
            began = time.perf_counter()
            # Patient: a decision that gives up on the encoder would be a fast one.
            await engine.decide(view, tenant=str(number), patient=True)
            times.append((time.perf_counter() - began) * 1000)
            # Each request of a proxy takes its turn on the loop; decisions that wait for nothing would run as one.
            await asyncio.sleep(0)

    await asyncio.gather(*(work(waiting) for _ in range(concurrency)))
    return times


async def _loop_lags(engine: RouterEngine, tokens: int, decisions: int) -> list[LoopLag]:
    gaps: dict[str, list[float]] = {"idle": [], "classifying × 1": [], "classifying × 10": []}
    each = max(2, decisions // SEGMENTS)
    for segment in range(SEGMENTS):
        for concurrency in (1, 10):
            views = _views(_SEED + 100 + 20 * segment + concurrency, tokens, each)
            began = time.perf_counter()
            gaps[f"classifying × {concurrency}"] += await _beats_during(_decide_all(engine, views, concurrency))
            gaps["idle"] += await _beats_during(asyncio.sleep((time.perf_counter() - began) / 2))
    return [LoopLag(load, tokens, len(late), percentiles(late)[99], max(late)) for load, late in gaps.items()]


async def _beats_during(work: Awaitable[object]) -> list[float]:
    """Lateness of every beat, in ms, while `work` (an awaitable) runs."""
    late: list[float] = []

    async def beat() -> None:
        while True:
            due = time.perf_counter() + BEAT_S
            await asyncio.sleep(BEAT_S)
            late.append((time.perf_counter() - due) * 1000)

    beating = asyncio.ensure_future(beat())
    try:
        await work
        await asyncio.sleep(BEAT_S)
    finally:
        beating.cancel()
    return late


def _views(seed: int, tokens: int, count: int) -> list[RequestView]:
    return [
        RequestView.from_chat({"messages": [{"role": "user", "content": prompt}]})
        for prompt in islice(fresh_prompts(seed, tokens), count)
    ]
