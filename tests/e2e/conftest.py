"""The real proxy in front of the simulator, shared by the end-to-end tests."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from custom_router.demo.stack import Stack

ROOT = Path(__file__).resolve().parents[2]
COOLDOWN_S = 1
PATIENT_MS = {"rules": 10_000, "encoder": 60_000}
"""For stages that run out of time on a busy machine, upon which requests go up a tier: tests that want that say so."""


class Proxy:
    """A running stack and what tests ask of it."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.http = httpx.Client(
            base_url=stack.url, headers={"Authorization": f"Bearer {stack.master_key}"}, timeout=60, trust_env=False
        )
        self.simulator = httpx.Client(base_url=stack.simulator_url, timeout=30, trust_env=False)
        self._broken = False
        self._killed: set[str] = set()
        self._read: dict[Path, tuple[int, list[dict[str, Any]]]] = {}
        self._counted: dict[str, tuple[int, str]] = {}

    def chat(self, prompt: Any = "Say hello in one word.", **options: Any) -> httpx.Response:
        headers = options.pop("headers", None)
        messages = options.pop("messages", [{"role": "user", "content": prompt}])
        return self.http.post(
            "/v1/chat/completions", json={"model": "auto", "messages": messages, **options}, headers=headers
        )

    def records(self) -> list[dict[str, Any]]:
        """All records, oldest first: only what is new is read."""
        segments = sorted(self.stack.records.glob("*.jsonl"))
        for segment in segments:
            read, records = self._read.get(segment, (0, []))
            if segment.stat().st_size < read:
                read, records = 0, []
            with segment.open("rb") as file:
                file.seek(read)
                whole, end, _ = file.read().rpartition(b"\n")  # a line without its end is still being written
            new = [json.loads(line) for line in whole.splitlines()]
            self._read[segment] = read + len(whole + end), [*records, *new]
        return [record for segment in segments for record in self._read[segment][1]]

    def records_of(self, request_id: str) -> list[dict[str, Any]]:
        """Records of one request, waiting for the first. One too many is found later, by `no_more`."""

        def found() -> list[dict[str, Any]]:
            return [record for record in self.records() if record["request_id"] == request_id]

        wait_until(lambda: bool(found()))
        self._counted[request_id] = len(records := found()), os.environ["PYTEST_CURRENT_TEST"]
        return records

    def no_more(self) -> None:
        """Nothing was recorded twice: what earlier tests saw of their requests is all that there is."""
        count = Counter(record["request_id"] for record in self.records())
        late = {id_: test for id_, (seen, test) in self._counted.items() if count[id_] > seen}
        assert not late, f"further records of requests came after they were looked at: {late}"

    def health(self) -> dict[str, Any]:
        return self.http.get("/router/health").raise_for_status().json()

    def idle(self) -> None:
        """Wait until no request is under way in the router."""
        wait_until(lambda: self.health()["requests_under_way"] == 0)
        self.no_more()

    def settled(self) -> list[dict[str, Any]]:
        """All records, once every request has ended and its record is on disk."""
        self.idle()

        def ended() -> float:
            text = self.http.get("/router/metrics").raise_for_status().text
            families = text_string_to_metric_families(text)
            return sum(s.value for f in families for s in f.samples if s.name == "tier_router_requests_total")

        wait_until(lambda: ended() == len(self.records()))
        return self.records()

    def seen(self) -> dict[str, list[dict[str, Any]]]:
        """What each simulated provider was sent since the last reset."""
        providers = self.simulator.get("/_sim/log").json()["providers"]
        return {
            name: [r for r in seen["requests"] if not r["path"].endswith("/models")] for name, seen in providers.items()
        }

    def kill(self, *providers: str) -> None:
        """Make providers close every connection unanswered, as a dead host does, until the next `reset`."""
        self._broken = True
        self._killed.update(providers)
        for provider in providers:
            self.simulator.post("/_sim/kill", json={"provider": provider}).raise_for_status()

    def fault(self, fault: str, *providers: str) -> None:
        """Make providers misbehave until the next `reset`."""
        self._broken = True
        for provider in providers:
            self.simulator.post("/_sim/faults", json={"provider": provider, "fault": fault}).raise_for_status()

    def reset(self) -> None:
        """Every provider well again, and the simulator's log empty."""
        if self._broken:
            self._broken = False
            for provider in self._killed:
                self.simulator.post("/_sim/revive", json={"provider": provider}).raise_for_status()
            self._killed.clear()
            self.simulator.delete("/_sim/faults").raise_for_status()
            # Deployments that failed are resting, and would still be when the next test asks.
            time.sleep(COOLDOWN_S + 0.2)
        self.simulator.post("/_sim/log/reset")


def wait_until(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    """Poll until true; fail after a generous while."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.05)


def quick_config(tmp: Path) -> Path:
    """The shipped configuration, except that a deployment that failed rests for one second and not for fifteen."""
    config = yaml.safe_load((ROOT / "litellm_config.yaml").read_text(encoding="utf-8"))
    config["router_settings"]["cooldown_time"] = COOLDOWN_S
    path = tmp / "given.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def shipped_policy(tmp: Path, **changes: Any) -> Path:
    """A copy of the shipped policy with patience and with top-level keys replaced."""
    document = yaml.safe_load((ROOT / "routing_policy.yaml").read_text(encoding="utf-8"))
    patient = {"latency_budget_ms": {**document["latency_budget_ms"], **PATIENT_MS}}
    path = tmp / "routing_policy.yaml"
    path.write_text(yaml.safe_dump({**document, **patient, **changes}), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """The shipped configuration and policy, the cache apart, since tests ask the same again and look at what providers
    were sent; simulated providers without latency."""
    work = tmp_path_factory.mktemp("proxy")
    policy = shipped_policy(work, cache={"enabled": False})
    with Stack(quick_config(work), policy, work, latency_scale=0.0) as stack:
        shared = Proxy(stack)
        yield shared
        shared.settled()


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """The same configuration without the plugin's callbacks."""
    work = tmp_path_factory.mktemp("bare")
    config = yaml.safe_load((ROOT / "litellm_config.yaml").read_text(encoding="utf-8"))
    del config["litellm_settings"]["callbacks"], config["litellm_settings"]["custom_provider_map"]
    path = work / "given.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    with BareStack(path, ROOT / "routing_policy.yaml", work, latency_scale=0.0) as stack:
        yield Proxy(stack)


class BareStack(Stack):
    """A proxy without the plugin has no `/router/health` to wait for."""

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health/liveliness", timeout=5).status_code == 200
        except httpx.TransportError:
            return False


@pytest.fixture
def fresh(proxy: Proxy) -> Proxy:
    """The shared proxy with every provider up, nothing under way and the simulator's log empty."""
    proxy.idle()
    proxy.reset()
    return proxy


@pytest.fixture(scope="session")
def gate_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Every request goes to the simple tier first, and the gate knows how good its recorded answers are."""
    from tests.e2e.gate_stack import GateProxy, GateStack, gate_config, gate_policy, write_replay

    work = tmp_path_factory.mktemp("gate")
    replay = write_replay(work / "replay.jsonl")
    with GateStack(gate_config(work), gate_policy(work), work, latency_scale=0.0, replay=replay) as stack:
        shared = GateProxy(stack)
        yield shared
        shared.settled()


@pytest.fixture
def gate(gate_proxy: Any) -> Any:
    """The gate's proxy with every provider up and the simulator's log empty."""
    gate_proxy.reset()
    # Were nearly all answers escalated, the router would soon pass over the tier.
    for _ in range(2):
        gate_proxy.ask("chat", "A sure one?")
    gate_proxy.idle()
    # Once this one's record is on disk, those before it are too: tests look for the records that are new.
    gate_proxy.record(gate_proxy.ask("chat", "A sure one?"))
    gate_proxy.simulator.post("/_sim/log/reset")
    return gate_proxy


@pytest.fixture(scope="session")
def cache_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The gate's proxy with the cache on."""
    from tests.e2e.cache_stack import CacheProxy, cache_policy, cache_replay
    from tests.e2e.gate_stack import GateStack, gate_config

    work = tmp_path_factory.mktemp("cache")
    replay = cache_replay(work / "replay.jsonl")
    with GateStack(gate_config(work), cache_policy(work), work, latency_scale=0.0, replay=replay) as stack:
        proxy = CacheProxy(stack)
        proxy.send("chat", "Load the encoder, please.")  # nothing but the cache needs it here
        wait_until(lambda: proxy.health()["encoder"]["state"] == "ready", 60)
        yield proxy
        proxy.settled()


@pytest.fixture
def cache(cache_proxy: Any) -> Any:
    """The cache's proxy with every provider up, nothing stored and the simulator's log empty."""
    cache_proxy.reset()
    cache_proxy.idle()
    cache_proxy.drop()
    return cache_proxy


@pytest.fixture(scope="session")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The mixed traffic of three teams, once it is over."""
    from tests.e2e.team_traffic import team_traffic

    with team_traffic(tmp_path_factory.mktemp("traffic")) as over:
        yield over
