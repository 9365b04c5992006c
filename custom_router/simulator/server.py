"""Run the simulator: in the running event loop, in a thread, or as the process."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from custom_router.simulator.app import SimulatorApp
from custom_router.simulator.config import SimulatorConfig

HOST = "127.0.0.1"
GRACE_S = 3
# As long as real providers keep an idle connection: closed sooner, a client that reuses one meets a reset.
KEEP_ALIVE_S = 120
START_TIMEOUT_S = 30.0


class _Protocol(H11Protocol):
    """Hands the application the connection's transport: a dead host's close cannot be said in ASGI."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.app_state = {**self.app_state, "transport": transport}
        super().connection_made(transport)


class _Server(uvicorn.Server):
    """uvicorn that says when it listens, and ends hanging answers before it waits for connections."""

    def __init__(
        self, app: SimulatorApp, *, on_started: Callable[[], None], take_signals: bool, loop: str = "auto"
    ) -> None:
        config = uvicorn.Config(
            app.asgi(),
            http=_Protocol,
            ws="none",
            loop=loop,
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=GRACE_S,
            timeout_keep_alive=KEEP_ALIVE_S,
            server_header=False,
        )
        super().__init__(config)
        self._stopping = app.stopping
        self._on_started = on_started
        self._take_signals = take_signals

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self._on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping.set()
        await super().shutdown(sockets=sockets)

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        if not self._take_signals:
            yield
            return
        with super().capture_signals():
            yield


class Simulator:
    """A running simulator: `async with Simulator(config) as sim` in the running loop, `with …` in a thread.

    `sim.url` is `http://127.0.0.1:PORT`; the port is free and chosen at entry.
    """

    def __init__(self, config: SimulatorConfig | None = None) -> None:
        self.config = config or SimulatorConfig()
        self._socket: socket.socket | None = None
        self._server: _Server | None = None
        self._runner: asyncio.Task[None] | threading.Thread | None = None

    @property
    def url(self) -> str:
        """The root. Raises `RuntimeError` outside the `with` block."""
        if self._socket is None:
            raise RuntimeError("the simulator is not running")
        return _address(self._socket)

    def api_base(self, provider: str) -> str:
        """What a client or a LiteLLM deployment takes as its base URL for `provider`."""
        return f"{self.url}/{provider}/v1"

    async def __aenter__(self) -> Self:
        started = asyncio.Event()
        server, listener = self._prepare(started.set)
        serving = asyncio.ensure_future(server.serve(sockets=[listener]))
        self._runner = serving
        waiting = asyncio.ensure_future(started.wait())
        await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if serving.done():
            self._forget()
            serving.result()
            raise RuntimeError("the simulator did not start")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None and isinstance(self._runner, asyncio.Task):
            self._server.should_exit = True
            await self._runner
        self._forget()

    def __enter__(self) -> Self:
        started = threading.Event()
        server, listener = self._prepare(started.set)
        self._runner = threading.Thread(
            target=server.run, kwargs={"sockets": [listener]}, name="simulator", daemon=True
        )
        self._runner.start()
        if not started.wait(START_TIMEOUT_S):
            self._forget()
            raise RuntimeError("the simulator did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None and isinstance(self._runner, threading.Thread):
            self._server.should_exit = True
            self._runner.join()
        self._forget()

    def _prepare(self, on_started: Callable[[], None]) -> tuple[_Server, socket.socket]:
        if self._socket is not None:
            raise RuntimeError("the simulator is already running")
        app = SimulatorApp(self.config)
        self._socket = socket.create_server((HOST, 0), backlog=2048)
        self._server = _Server(app, on_started=on_started, take_signals=False)
        return self._server, self._socket

    def _forget(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = self._server = self._runner = None


def run(config: SimulatorConfig, host: str, port: int, announce: Callable[[str], Any]) -> None:
    """Serve until SIGINT or SIGTERM; `announce` is given the URL once it listens. Raises `OSError`."""
    app = SimulatorApp(config)
    with socket.create_server((host, port), backlog=2048) as listener:
        url = _address(listener)
        server = _Server(app, on_started=lambda: announce(url), take_signals=True)
        server.run(sockets=[listener])


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{host}:{port}"
