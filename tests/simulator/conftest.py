"""One simulator in a thread for the sync tests; each test starts with a clean log and no faults."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

from custom_router.simulator import ModelSpec, Simulator, SimulatorConfig
from tests.simulator.simulator_calls import http

CONFIG = SimulatorConfig(
    models={
        "plain": ModelSpec(),
        "blind": ModelSpec(vision=False),
        "shy": ModelSpec(logprobs=False),
    },
    max_body_bytes=64 * 1024,
    slow_first_token_s=0.6,
    retry_after_s=7,
    log_size=5,
)


@pytest.fixture(scope="session")
def running() -> Iterator[Simulator]:
    with Simulator(CONFIG) as simulator:
        yield simulator


@pytest.fixture
def sim(running: Simulator) -> Iterator[Simulator]:
    yield running
    http.delete(f"{running.url}/_sim/faults")
    for provider in http.get(f"{running.url}/_sim/health").json()["dead"]:
        http.post(f"{running.url}/_sim/revive", json={"provider": provider})
    http.post(f"{running.url}/_sim/log/reset")


@pytest.fixture(scope="session")
def connected(running: Simulator) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=running.api_base("deepseek"), api_key="unused", max_retries=0, timeout=10) as made:
        yield made


@pytest.fixture
def client(sim: Simulator, connected: openai.OpenAI) -> openai.OpenAI:
    """The official client, as a user of provider `deepseek`."""
    return connected
