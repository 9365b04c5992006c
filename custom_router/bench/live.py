"""What the live list and the live stream cost the process that serves them, beside nobody looking."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Event
from pathlib import Path
from statistics import median, quantiles
from typing import Annotated, Any

import typer

from custom_router.api.decisions import event_text
from custom_router.bench.synthetic_records import synthetic_records, write_records
from custom_router.decide import decide
from custom_router.decision import Basis, Circumstances
from custom_router.policy import Caller, Policy
from custom_router.receipts.filters import Filter
from custom_router.receipts.following import Follower, Reader
from custom_router.receipts.listing import newest
from custom_router.recent_requests import RecentRequests
from custom_router.reports.period import Period
from custom_router.request import RequestView
from custom_router.turns import stand

ROUNDS = 3
_Wanted = Callable[[dict[str, Any]], bool]


def main(
    rate: Annotated[int, typer.Option(help="Decisions a second, of two workers together.")] = 200,
    readers: Annotated[int, typer.Option(help="Open streams.")] = 8,
    seconds: Annotated[float, typer.Option(help="Length of one round.")] = 10.0,
    records: Annotated[int, typer.Option(help="Records on disk for the list, in eight segments.")] = 200_000,
) -> None:
    """Measure, interleaved: no reader, one, and several; then pages of the list, and what keeping a request costs."""
    for name, told in _kept().items():
        typer.echo(f"{name:<12}{json.dumps(told)}")
    with tempfile.TemporaryDirectory() as folder:
        for name, told in asyncio.run(_streams(Path(folder), rate, readers, seconds)).items():
            typer.echo(f"{name:<12}{json.dumps(told)}")
    with tempfile.TemporaryDirectory() as folder:
        for name, told in _lists(Path(folder), records).items():
            typer.echo(f"{name:<12}{json.dumps(told)}")


async def _streams(folder: Path, rate: int, readers: int, seconds: float) -> dict[str, dict[str, float]]:
    found: dict[str, list[dict[str, float]]] = {}
    for _ in range(ROUNDS):
        for count in (0, 1, readers):
            found.setdefault(f"{count} streams", []).append(await _round(folder, rate, count, seconds))
    return {
        name: {key: round(median(each[key] for each in rounds), 3) for key in rounds[0]}
        for name, rounds in found.items()
    }


async def _round(folder: Path, rate: int, readers: int, seconds: float) -> dict[str, float]:
    """`cpu_share` of one core, the event loop's lag in milliseconds, records that each reader got a second."""
    follower, got = Follower(folder), [0]
    async with AsyncExitStack() as stack:
        open_ = [await stack.enter_async_context(follower.reader(Filter().takes)) for _ in range(readers)]
        tasks = [asyncio.create_task(_read(reader, got)) for reader in open_]
        spawn = multiprocessing.get_context("spawn")
        writing, done = spawn.Event(), spawn.Event()
        writer = spawn.Process(target=_write, args=(folder, rate, writing, done))
        writer.start()
        await asyncio.to_thread(writing.wait)
        got[0] = 0
        began, cpu = time.perf_counter(), time.process_time()
        lags = await _lags(seconds)
        wall, spent = time.perf_counter() - began, time.process_time() - cpu
        done.set()
        for task in tasks:
            task.cancel()
        await asyncio.to_thread(writer.join)
    cuts = quantiles(lags, n=100)
    each = got[0] / max(readers, 1) / wall
    return {"cpu_share": spent / wall, "lag_p50": cuts[49], "lag_p99": cuts[98], "records_a_second": each}


async def _read(reader: Reader, got: list[int]) -> None:
    async for records, dropped in reader.batches(15.0):
        event_text(records, dropped)
        got[0] += len(records)


async def _lags(seconds: float) -> list[float]:
    lags = []
    end = time.perf_counter() + seconds
    while (now := time.perf_counter()) < end:
        await asyncio.sleep(0.005)
        lags.append((time.perf_counter() - now - 0.005) * 1000)
    return lags


def _write(folder: Path, rate: int, writing: Event, done: Event) -> None:
    """Two workers' segments, a batch fifty times a second, as the sink gathers them."""
    now = datetime.now(UTC)
    made = [record.to_json() + b"\n" for record in synthetic_records(1_000, Period(now, now + timedelta(hours=1)))]
    files = [(folder / f"decisions-{worker}-{time.time_ns()}.jsonl").open("ab") for worker in range(2)]
    began, written = time.perf_counter(), 0
    writing.set()
    while not done.is_set():
        while written < (time.perf_counter() - began) * rate:
            files[written % 2].write(made[written % 1_000])
            written += 1
        for file in files:
            file.flush()
        time.sleep(0.02)


def _kept() -> dict[str, dict[str, float]]:
    """Microseconds that a request costs which is kept for edits to be tried on: a short one, and as long as is read."""
    policy = Policy.safe("policy")
    found = {}
    for name, text in (("short kept", "What is a mortgage?"), ("long kept", "word " * 20_000)):
        view = RequestView.from_chat({"messages": [{"role": "user", "content": text}]})
        basis = Basis(view, stand(view).judged, view.searched, Circumstances())
        decision = replace(decide(view, None, Caller(), policy), basis=basis)
        ring, began = RecentRequests(), time.perf_counter()
        for number in range(20_000):
            ring.add(str(number), decision, Caller(), hit=False)
        found[name] = {"us": round((time.perf_counter() - began) / 20_000 * 1e6, 1)}
    return found


def _lists(folder: Path, records: int) -> dict[str, dict[str, float]]:
    now = datetime.now(UTC)
    for number in range(8):
        period = Period(now - timedelta(hours=9 - number), now - timedelta(hours=8 - number))
        written = write_records(folder, records // 8, period, 0.0, number)
        written.rename(folder / f"decisions-{number}-w.jsonl")
    asked: dict[str, tuple[_Wanted, int]] = {
        "newest 50": (Filter().takes, 50),
        "newest 200": (Filter().takes, 200),
        "one in 20": (Filter(domain="finance").takes, 50),
        "none": (Filter(domain="nothing").takes, 50),
    }
    return {name: _page(folder, wanted, limit) for name, (wanted, limit) in asked.items()}


def _page(folder: Path, wanted: _Wanted, limit: int) -> dict[str, float]:
    times, page = [], None
    for _ in range(7):
        began = time.perf_counter()
        page = newest(folder, wanted, limit)
        times.append((time.perf_counter() - began) * 1000)
    assert page is not None
    return {"ms": round(median(times), 2), "records": len(page.records), "complete": page.complete}


if __name__ == "__main__":
    typer.run(main)
