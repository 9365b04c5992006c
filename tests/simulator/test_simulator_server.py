from __future__ import annotations

import asyncio
import json
import logging
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from custom_router.simulator import ModelSpec, Simulator, SimulatorConfig, load_config
from tests.simulator.simulator_calls import http

MESSAGES: Any = [{"role": "user", "content": "hello"}]
HANG = {"x-sim-fault": "hang"}


async def until_seen(sim: Simulator, provider: str) -> None:
    async with httpx.AsyncClient() as caller:
        while provider not in (await caller.get(f"{sim.url}/_sim/log")).json()["providers"]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_it_runs_in_the_callers_loop_and_streams_at_its_pace() -> None:
    config = SimulatorConfig(default=ModelSpec(latency_ms=5, tokens_per_second=2000))
    async with (
        Simulator(config) as sim,
        openai.AsyncOpenAI(base_url=sim.api_base("x"), api_key="unused", max_retries=0) as client,
    ):
        plain = await client.chat.completions.create(model="m", messages=MESSAGES)
        stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
        url = sim.url
    assert text == plain.choices[0].message.content
    async with httpx.AsyncClient() as caller:
        with pytest.raises(httpx.ConnectError):
            await caller.get(url)
    with pytest.raises(RuntimeError):
        _ = sim.url


async def test_a_hang_ends_when_the_server_stops(caplog: pytest.LogCaptureFixture) -> None:
    async with openai.AsyncOpenAI(base_url="http://unset", api_key="unused", max_retries=0) as client:
        with caplog.at_level(logging.WARNING):
            async with Simulator() as sim:
                client.base_url = sim.api_base("slow")
                call = client.chat.completions.create(model="m", messages=MESSAGES, extra_headers=HANG)
                waiting = asyncio.ensure_future(call)
                await until_seen(sim, "slow")
                assert not waiting.done()
            with pytest.raises(openai.APIConnectionError):
                await waiting
    assert [record.message for record in caplog.records if "uvicorn" in record.name] == []


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_in_waiting_ends_when_the_client_leaves(stream: bool) -> None:
    spec = ModelSpec(latency_ms=600_000)
    async with Simulator(SimulatorConfig(default=spec)) as sim, httpx.AsyncClient() as caller:
        body = {"model": "m", "messages": MESSAGES, "stream": stream}
        with pytest.raises(httpx.ReadTimeout):
            await caller.post(f"{sim.api_base('slow')}/chat/completions", json=body, timeout=0.2)
        assert sim._server is not None
        while sim._server.server_state.tasks:  # noqa: ASYNC110 - uvicorn offers no event
            await asyncio.sleep(0.01)


def test_the_command_announces_its_address_and_stops_on_a_signal(tmp_path: Path) -> None:
    (tmp_path / "replay.jsonl").write_text(json.dumps({"prompt": "hello", "answer": "recorded"}))
    (tmp_path / "sim.yaml").write_text("models: {m: {latency_ms: 60000}}\nreplay: replay.jsonl\n")
    command = [sys.executable, "-m", "custom_router.simulator", "--port", "0", "--latency-scale", "0"]
    command += ["--config", str(tmp_path / "sim.yaml")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("simulator ready http://127.0.0.1:")
            url = line.split()[-1]
            answer = http.post(f"{url}/v1/chat/completions", json={"model": "m", "messages": MESSAGES})
            assert answer.json()["choices"][0]["message"]["content"] == "recorded"
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(20) in (0, -signal.SIGTERM)


@pytest.mark.parametrize("text", ["modles: {}", "models: {m: {latency_ms: -1}}", "models: [", "7"])
def test_a_wrong_config_is_one_message_and_exit_2(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sim.yaml"
    path.write_text(text)
    command = [sys.executable, "-m", "custom_router.simulator", "--config", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("simulator: ")


def test_an_unlisted_model_gets_the_default_spec(tmp_path: Path) -> None:
    path = tmp_path / "sim.yaml"
    path.write_text("default: {vision: false}\nmodels: {m: {logprobs: false}}\n")
    config = load_config(path)
    assert config.spec("m") == ModelSpec(logprobs=False)
    assert config.spec("other") == ModelSpec(vision=False)
