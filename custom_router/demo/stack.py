"""Simulator and proxy as child processes, started, watched and stopped together."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import httpx
import yaml

from custom_router.bundle import CONFIG
from custom_router.demo.simulated import simulate_providers, simulated_models, write_yaml
from custom_router.policy import Policy

START_SECONDS = 240.0
DEFAULT_KEY = "sk-local"


class StackError(RuntimeError):
    """Something did not start. The message ends with the last lines of its log."""


def free_port() -> int:
    """A port of 127.0.0.1 that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def refuse_taken(port: int) -> None:
    """Raise `StackError` where another program listens on a port: LiteLLM would quietly take another one than 4000, and
    whoever goes on asking here would be answered by that program."""
    with socket.socket() as probe:
        # As servers bind: a port on which only old connections linger is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            told = (
                f"port {port} cannot be used ({error.strerror}): choose another with --port, or --port 0 for a free one"
            )
            raise StackError(told) from error


def local_key() -> str:
    """The master key of a proxy in front of simulated providers: `$LITELLM_MASTER_KEY`, or `sk-local`."""
    return os.environ.get("LITELLM_MASTER_KEY") or DEFAULT_KEY


@dataclass
class Stack:
    """The proxy in front of simulated providers. Use as a context manager; leaving it stops both.

    `workdir` receives the generated configuration, the logs and the decision records. `config` and `policy` are the
    files to run; `extra_env` goes to the proxy.
    """

    config: Path
    policy: Path
    workdir: Path
    port: int = 0
    master_key: str = DEFAULT_KEY
    latency_scale: float = 1.0
    replay: Path | None = None
    extra_env: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.port = self.port or free_port()
        self.simulator_url = ""
        self._records = Path(Policy.load(self.policy).document.records.directory)
        self._children: list[subprocess.Popen[bytes]] = []
        self._logs: list[IO[bytes]] = []

    @property
    def url(self) -> str:
        """Root of the proxy."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def records(self) -> Path:
        """Folder of the decision records."""
        return (self.workdir / self._records).resolve()

    def __enter__(self) -> Self:
        refuse_taken(self.port)
        if (self.workdir / CONFIG).exists() and not (self.workdir / "proxy.log").exists():
            raise StackError(f"{self.workdir} holds a {CONFIG} of somebody's: choose another folder with --workdir")
        self.workdir.mkdir(parents=True, exist_ok=True)
        try:
            self._start_simulator()
            self._start_proxy()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start_simulator(self) -> None:
        # Read here, not at import: LiteLLM is slow to import and only this step needs its price map.
        os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        from custom_router.litellm_adapter import model_facts

        given = yaml.safe_load(self.config.read_text(encoding="utf-8"))
        document = Policy.load(self.policy).document
        settings = simulated_models(given, document, model_facts, self.latency_scale)
        write_yaml(
            self.workdir / "simulator.yaml", settings.model_dump(mode="json", exclude_defaults=True, exclude={"replay"})
        )
        command = [sys.executable, "-m", "custom_router.simulator", "--config", str(self.workdir / "simulator.yaml")]
        if self.replay is not None:
            command += ["--replay", str(self.replay.resolve())]
        child = self._spawn("simulator", command, {}, pipe=True)
        assert child.stdout is not None
        line = child.stdout.readline().decode().strip()
        if not line.startswith("simulator ready "):
            raise StackError(f"the simulator did not start: {line or self._tail('simulator')}")
        self.simulator_url = line.removeprefix("simulator ready ")
        changed = simulate_providers(given, self.simulator_url, model_facts)
        changed.setdefault("general_settings", {})["master_key"] = "os.environ/LITELLM_MASTER_KEY"
        write_yaml(self.workdir / CONFIG, changed)

    def _start_proxy(self) -> None:
        litellm = Path(sys.executable).parent / "litellm"
        command = [str(litellm), "--config", str(self.workdir / CONFIG)]
        command += ["--host", "127.0.0.1", "--port", str(self.port), *self.arguments]
        environment = {
            "LITELLM_MASTER_KEY": self.master_key,
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "TIER_ROUTER_POLICY": str(self.policy.resolve()),
            **self.extra_env,
        }
        child = self._spawn("proxy", command, environment)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if child.poll() is not None:
                raise StackError(f"the proxy stopped with code {child.returncode}:\n{self._tail('proxy')}")
            if self._ready():
                return
            time.sleep(0.2)
        raise StackError(f"the proxy did not answer within {START_SECONDS:.0f} s:\n{self._tail('proxy')}")

    def _ready(self) -> bool:
        """The proxy answers and the router has its models: before that, everything would go to the frontier."""
        try:
            health = httpx.get(
                f"{self.url}/router/health", headers={"Authorization": f"Bearer {self.master_key}"}, timeout=5
            )
        except httpx.TransportError:
            return False
        if health.status_code != 200:
            return False
        encoder = health.json()["encoder"]
        if encoder["state"] == "unavailable" and encoder["error"]:
            raise StackError(f"the router's encoder is not available: {encoder['error']}")
        return encoder["state"] == "ready" or not encoder["needed"]

    def _spawn(
        self, name: str, command: list[str], environment: Mapping[str, str], *, pipe: bool = False
    ) -> subprocess.Popen[bytes]:
        log = (self.workdir / f"{name}.log").open("wb")
        self._logs.append(log)
        child = subprocess.Popen(  # noqa: S603 - our own programs
            command,
            cwd=self.workdir,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE if pipe else log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._children.append(child)
        return child

    def _tail(self, name: str) -> str:
        lines = (self.workdir / f"{name}.log").read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-15:])

    @property
    def proxy(self) -> subprocess.Popen[bytes]:
        """The proxy's process."""
        return self._children[-1]

    def stop(self) -> None:
        """Stop both, the proxy first, so that its last records are written; kill what does not stop in 15 s."""
        for child in reversed(self._children):
            if child.poll() is None:
                child.terminate()
            try:
                child.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
            if child.stdout is not None:
                child.stdout.close()
        for log in self._logs:
            log.close()
        self._children.clear()
        self._logs.clear()
