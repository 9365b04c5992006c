"""Gauges tell the state of the process that they are set in, and those of a dead worker are dropped."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from custom_router.encoder.fake import FakeEncoder
from custom_router.engine import RouterEngine
from custom_router.records.sinks import MemorySink
from custom_router.runtime import Runtime
from custom_router.state_gauges import cache_state
from tests.test_runtime import POLICY, begin, edit

NEEDY = POLICY.replace("kind: constant, constant: 0.9", "kind: embedding")


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    path = tmp_path / "policy.yaml"
    path.write_text(NEEDY)
    made = RouterEngine(path, load_encoder=FakeEncoder)
    yield Runtime(made, MemorySink())
    made.close()


def gauge(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"tier_router_{name}", labels)


async def test_a_part_that_is_needed_and_not_there(runtime: Runtime) -> None:
    runtime.gauges.refresh()
    assert gauge("part_unavailable", part="encoder") == 1.0
    assert gauge("part_unavailable", part="vllm") == gauge("part_unavailable", part="cache") == 0.0
    runtime.engine.encoder.encoder = FakeEncoder()
    runtime.gauges.refresh()
    assert gauge("part_unavailable", part="encoder") == 0.0
    assert gauge("breaker_open", part="encoder") == 0.0


async def test_a_policy_that_is_refused_until_it_is_mended(runtime: Runtime) -> None:
    edit(runtime, "tiers: 7\n")
    runtime.gauges.refresh()
    assert gauge("policy_refused") == 1.0
    edit(runtime, POLICY)
    runtime.gauges.refresh()
    assert gauge("policy_refused") == 0.0


async def test_requests_under_way(runtime: Runtime) -> None:
    await begin(runtime)
    runtime.gauges.refresh()
    assert gauge("requests_under_way") == 1.0


@pytest.mark.parametrize(
    ("store", "state"),
    [
        ({"entries": 3}, "ready"),
        ({"connected": 1, "breaker_open": 0}, "ready"),
        ({"connected": 0, "breaker_open": 0}, "unavailable"),
        ({"connected": 0, "breaker_open": 1}, "breaker_open"),
    ],
)
def test_the_caches_state(store: dict[str, int], state: str) -> None:
    assert cache_state(store) == state


_WORKER = """
import os, sys
from custom_router import metrics
metrics.UNDER_WAY.set(2)
metrics.POLICY_RELOAD_FAILURES.inc()
print(os.getpid(), flush=True)
sys.stdin.read()
"""
_READER = "from custom_router.metrics import exposition; print(exposition().decode())"


def test_gauges_are_of_living_workers_and_counters_of_all(tmp_path: Path) -> None:
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}

    def told() -> str:
        return subprocess.run(
            [sys.executable, "-c", _READER], env=environment, capture_output=True, text=True, check=True
        ).stdout

    workers = [
        subprocess.Popen(
            [sys.executable, "-c", _WORKER], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(2)
    ]
    try:
        for worker in workers:
            assert worker.stdout is not None
            worker.stdout.readline()
        text = told()
        assert "tier_router_requests_under_way 4.0" in text
        assert "tier_router_policy_reload_failures_total 2.0" in text
        workers[0].kill()
        workers[0].wait()
        text = told()
        assert "tier_router_requests_under_way 2.0" in text
        assert "tier_router_policy_reload_failures_total 2.0" in text
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()
