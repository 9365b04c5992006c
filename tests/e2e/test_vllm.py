"""The vLLM classifier beside the real proxy: asked, compared, and then killed and frozen under load."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from custom_router.demo.stack import Stack, free_port
from custom_router.demo.traffic import Application, DemoPrompt
from tests.e2e.conftest import PATIENT_MS, Proxy, quick_config, shipped_policy, wait_until

BUDGET_MS = 60_000
"""So generous that an answer of a classifier in good health is never late, however busy the machine."""
UNHEARD = {"vllm_timeout", "vllm_breaker_open", "vllm_unavailable", "vllm_busy"}


class Classifier:
    """A simulated vLLM in a process of its own, which can be killed, frozen and started again on the same port."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._config = folder / "classifier.yaml"
        self._config.write_text(json.dumps({"models": {"slow": {"latency_ms": 400.0}}}), encoding="utf-8")
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/vllm"

    def start(self) -> None:
        command = [sys.executable, "-m", "custom_router.simulator", "--port", str(self.port)]
        self._process = subprocess.Popen([*command, "--config", str(self._config)], stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline().startswith(b"simulator ready")

    def signal(self, number: signal.Signals) -> None:
        os.kill(self._process.pid, number)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        if self._process.poll() is None:
            self.signal(signal.SIGCONT)
            self.kill()
        assert self._process.stdout is not None
        self._process.stdout.close()


class VllmProxy(Proxy):
    """A proxy whose policy asks the classifier about every request."""

    classifier: Classifier

    def policy(self, budget_ms: float = BUDGET_MS, **vllm: Any) -> None:
        """Apply another budget and other settings of the classifier; waits until it is ready."""
        version = self.health()["policy"]["version"]
        vllm = {"url": self.classifier.url, "model": "m", **vllm}
        shipped_policy(
            self.stack.policy.parent,
            classifier={"kind": "vllm", "vllm": vllm, "cache": {"capacity": 0}},
            latency_budget_ms={**PATIENT_MS, "vllm": budget_ms},
        )
        wait_until(lambda: self.health()["policy"]["version"] != version, 60)
        # The new settings' client is made by the first request.
        self.chat("Name a colour.")
        self.ready()

    def ready(self) -> None:
        wait_until(lambda: self.health()["vllm"]["state"] == "ready", 60)

    def vllm_of(self, response: Any) -> dict[str, Any]:
        record = self.records_of(response.headers["x-router-request-id"])[0]
        fields: dict[str, Any] = record["scores"]["vllm"]
        return fields


@pytest.fixture(scope="module")
def vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmProxy]:
    work = tmp_path_factory.mktemp("vllm")
    classifier = Classifier(work)
    settings = {"kind": "vllm", "vllm": {"url": classifier.url, "model": "m"}}
    try:
        with Stack(quick_config(work), shipped_policy(work, classifier=settings), work, latency_scale=0.0) as stack:
            proxy = VllmProxy(stack)
            proxy.classifier = classifier
            yield proxy
    finally:
        classifier.stop()


def test_it_is_asked_and_both_classifiers_are_in_the_record(vllm: VllmProxy) -> None:
    vllm.policy()
    response = vllm.chat("Give me a synonym for glad.")
    record = vllm.records_of(response.headers["x-router-request-id"])[0]
    scores = record["scores"]
    assert scores["source"].endswith("+vllm/m")
    assert set(scores["own"]) == set(scores["p_ok"]) == {"simple", "medium", "frontier"}
    assert scores["vllm"]["heard"] is True
    assert set(scores["vllm"]["log_odds"]) == {"simple", "medium"}
    assert "vllm" in record["latency_ms"]
    assert vllm.health()["vllm"] == {"needed": True, "state": "ready", "error": None}
    assert "tier_router_vllm_questions_total{" in vllm.http.get("/router/metrics").text


def test_a_late_answer_reaches_the_record(vllm: VllmProxy) -> None:
    vllm.policy(budget_ms=1, model="slow")
    response = vllm.chat("Give me a synonym for sad.")
    assert "vllm_timeout" in response.headers["x-router-cause"]
    fields = vllm.vllm_of(response)
    assert (fields["heard"], fields["failure"]) == (False, "vllm_timeout")
    assert set(fields["log_odds"]) == {"simple", "medium"}, "the record waited for it, the client did not"
    assert fields["ms"] > 1


def test_late_or_down_goes_up_a_tier_where_the_policy_says_so(vllm: VllmProxy) -> None:
    prompt = "Give me a synonym for glad."
    vllm.policy(budget_ms=0.001, on_failure="embedding")
    plain = vllm.chat(prompt).headers["x-router-tier"]
    vllm.policy(budget_ms=0.001, on_failure="up")
    up = vllm.chat(prompt).headers["x-router-tier"]
    assert (plain, up) in {("simple", "medium"), ("medium", "frontier")}


@pytest.mark.parametrize("blow", ["kill", "freeze"])
def test_losing_it_under_load_costs_no_request(vllm: VllmProxy, blow: str) -> None:
    vllm.policy(budget_ms=25)
    prompts = [DemoPrompt(f"Give me a synonym for glad. Variant {i} {blow}.", "plain") for i in range(60)]
    act: dict[str, tuple[Callable[[], None], Callable[[], None]]] = {
        "kill": (vllm.classifier.kill, vllm.classifier.start),
        "freeze": (
            lambda: vllm.classifier.signal(signal.SIGSTOP),
            lambda: vllm.classifier.signal(signal.SIGCONT),
        ),
    }
    strike, mend = act[blow]

    async def send() -> list[str | None]:
        application = Application(vllm.stack.url, vllm.stack.master_key)
        limit = asyncio.Semaphore(6)

        async def one(number: int, prompt: DemoPrompt) -> str | None:
            async with limit:
                if number == 20:
                    strike()
                return (await application.ask(prompt)).error

        try:
            return await asyncio.gather(*(one(i, p) for i, p in enumerate(prompts)))
        finally:
            await application.close()

    before = len(vllm.records())
    try:
        assert [error for error in asyncio.run(send()) if error] == []
        wait_until(lambda: len(vllm.records()) >= before + len(prompts))
        causes = [set(record["causes"]) & UNHEARD for record in vllm.records()[before:]]
        assert sum(map(bool, causes)) >= 30, "after the blow nobody hears it"
        assert any("vllm_breaker_open" in found or "vllm_unavailable" in found for found in causes)
        wait_until(lambda: vllm.health()["status"] == "degraded", 60)
    finally:
        mend()
    vllm.ready()
    vllm.policy()
    assert vllm.vllm_of(vllm.chat("Give me a synonym for big."))["heard"] is True
