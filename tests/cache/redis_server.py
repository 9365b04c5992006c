"""A real Redis server of the tests' own, which they may kill, stop and fill."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

MISSING = "SKIPPED for want of redis-server: apt-get install redis-server"


class RedisServer:
    """One server on a free port, without persistence: what is killed is lost."""

    def __init__(
        self, folder: Path, *options: str, config: Path | None = None, sentinel: bool = False, tls: bool = False
    ) -> None:
        if shutil.which("redis-server") is None:
            pytest.skip(MISSING)
        self._folder = folder
        self._options = (*([str(config)] if config else []), *(["--sentinel"] if sentinel else []), *options)
        self._sentinel = sentinel
        self._tls = tls
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it and wait until it answers."""
        ports = ["--port", "0", "--tls-port", str(self.port)] if self._tls else ["--port", str(self.port)]
        command = ["redis-server", *self._options, *ports, "--bind", "127.0.0.1", "--dir", str(self._folder)]
        if not self._sentinel:
            command += ["--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
        until = time.monotonic() + 30
        while not self._answers():
            assert self._process.poll() is None, "redis-server ended"
            assert time.monotonic() < until, "redis-server never answered"
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                if self._tls:
                    return True
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False

    def kill(self) -> None:
        """kill -9."""
        self._signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()

    def hang(self) -> None:
        """Stop it where it is: it accepts connections and answers nothing."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.go_on()
            self.kill()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)
