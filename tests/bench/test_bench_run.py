"""The benchmark for real, in small: five proxies on one simulator. Structure only, never time."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from custom_router.bench.analysis import analyse
from custom_router.bench.fleet import fleet
from custom_router.bench.in_process import measure_engine
from custom_router.bench.measure import Load, Plan, measure
from custom_router.bench.plot import draw
from custom_router.bench.report import as_json, as_markdown, conditions
from custom_router.bench.variants import VARIANTS, Variant
from custom_router.bundle import POLICY, bundle_root
from custom_router.demo.stack import Stack

PLAN = Plan(
    rounds=2,
    loads=(Load(20, 1, 5), Load(20, 10, 20), Load(256, 1, 2, (Variant.BARE, Variant.PLUGIN))),
    warm_up=4,
    limit_s=0.0,
)
HARD = (
    "Think step by step and reason through this: design a distributed database with async replication, analyze the "
    "algorithm complexity, debug this function, refactor the class, and prove the consensus protocol is correct."
)


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Variant, Stack]]:
    with fleet(tmp_path_factory.mktemp("bench")) as started:
        processes = [psutil.Process(stack.proxy.pid) for stack in started.values()]
        yield started
    assert not any(process.is_running() for process in processes), "the fleet left a proxy running"


def ask(stack: Stack, prompt: str) -> httpx.Response:
    response = httpx.post(
        f"{stack.url}/v1/chat/completions",
        headers={"Authorization": f"Bearer {stack.master_key}"},
        json={"model": "auto", "max_tokens": 8, "messages": [{"role": "user", "content": prompt}]},
        timeout=60,
    )
    response.raise_for_status()
    return response


def answered_by(stack: Stack, prompt: str) -> str:
    """The model whose simulated answer came back: it begins with `[simulated MODEL]`."""
    text: str = ask(stack, prompt).json()["choices"][0]["message"]["content"]
    return text.partition("[simulated ")[2].partition("]")[0]


def test_complexity_router_sends_easy_and_hard_prompts_to_different_tiers(stacks: dict[Variant, Stack]) -> None:
    easy, hard = (answered_by(stacks[Variant.COMPLEXITY], prompt) for prompt in ("Hello, how are you?", HARD))
    assert easy
    assert hard
    assert easy != hard


def test_bare_and_empty_hooks_send_everything_to_the_frontier(stacks: dict[Variant, Stack]) -> None:
    for variant in (Variant.BARE, Variant.EMPTY_HOOKS):
        easy, hard = (answered_by(stacks[variant], prompt) for prompt in ("Hello, how are you?", HARD))
        assert easy
        assert easy == hard


def test_only_the_plugin_routes(stacks: dict[Variant, Stack]) -> None:
    for variant, stack in stacks.items():
        assert ("x-router-tier" in ask(stack, "Hello.").headers) == (variant in (Variant.PLUGIN, Variant.UNGATED))


def test_run_fills_every_cell_and_writes_its_reports(stacks: dict[Variant, Stack], tmp_path: Path) -> None:
    cells = asyncio.run(measure(stacks, PLAN, lambda line: None))
    expected = [(r, load.tokens, load.concurrency, v) for r in range(2) for load in PLAN.loads for v in load.variants]
    assert sorted((c.round, c.tokens, c.concurrency, c.variant) for c in cells) == sorted(expected)
    for cell in cells:
        load = next(one for one in PLAN.loads if (one.tokens, one.concurrency) == (cell.tokens, cell.concurrency))
        assert len(cell.burst.latencies_ms) == load.requests
        assert cell.burst.failed == 0
        assert min(cell.burst.latencies_ms) > 0
        assert cell.burst.seconds > 0
        assert cell.rss_mb > 0
    rows = analyse(cells)
    assert len(rows) == 5 + 5 + 2
    assert {row.variant for row in rows if row.gate_ms} == {Variant.PLUGIN}
    assert all(row.cpu_ms > 0 and row.per_second > 0 for row in rows)
    assert {row.variant for row in rows if row.routed} == {Variant.PLUGIN, Variant.UNGATED}

    engine = asyncio.run(measure_engine(bundle_root() / POLICY, 8))
    assert [(rate.tokens, rate.call) for rate in engine.rates[:6]] == [
        (tokens, call) for tokens in (20, 256) for call in ("decide_many", "decide × 1", "decide × 10")
    ]
    stages = ("first stage alone", "encoder every time")
    assert [r.call for r in engine.rates[6:]] == [f"{stage}{again}" for stage in stages for again in ("", ", repeated")]
    assert all(rate.per_second > 0 for rate in engine.rates)
    assert {(lag.load, lag.tokens) for lag in engine.lags} == {
        (load, tokens) for tokens in (20, 256) for load in ("idle", "classifying × 1", "classifying × 10")
    }
    assert all(lag.beats > 0 for lag in engine.lags)

    at = conditions(2, 1.0, os.getloadavg()[0])
    text = as_markdown(rows, engine, at)
    assert all(f" {variant.value} |" in text for variant in VARIANTS)
    assert len(as_json(rows, engine, at)["proxies"]) == len(rows)
    assert draw(rows, tmp_path / "bench.png").read_bytes().startswith(b"\x89PNG")
