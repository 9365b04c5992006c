"""The report as the console shows it: made by a child process, so that DuckDB never enters the proxy."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from cachetools import LRUCache, TLRUCache

from custom_router.reports.period import since as period_since

COMMAND = (sys.executable, "-m", "custom_router.cli", "report")
PATIENCE_S = 50.0
"""Who asks waits as long; the console itself waits a minute."""
DEADLINE_S = 900.0
"""What a child may take: it goes on for those who ask again."""
REMEMBERED_S = 15.0
"""A report is good for as long, or for as long as it took to make: the child is not to run all the time."""
NICENESS = 15
"""How far the child stands behind the proxy. Reports that begin as low use one thread."""
WAITING = 8

_Asked = tuple[str, float]


class ReportFailed(Exception):
    """There is no report now, for the reason given."""


@dataclass(frozen=True, slots=True)
class _Made:
    """A report, and how long it is good for."""

    report: dict[str, Any]
    good_s: float


class ReportChild:
    """Makes reports, one at a time, and remembers each for a while. For one event loop."""

    def __init__(
        self,
        directory: Path,
        command: Sequence[str] = COMMAND,
        deadline_s: float = DEADLINE_S,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._directory = directory
        self._command = command
        self._deadline_s = deadline_s
        self._patience_s = patience_s
        self._made: TLRUCache[_Asked, _Made] = TLRUCache(32, lambda _, made, now: now + made.good_s, time.monotonic)
        self._last: LRUCache[_Asked, dict[str, Any]] = LRUCache(32)
        self._making: dict[_Asked, asyncio.Task[dict[str, Any]]] = {}
        self._turn = asyncio.Lock()
        self._reader = ThreadPoolExecutor(1, "tier-router-report")

    async def report(self, since: str, fixed_usd_per_month: float = 0.0) -> dict[str, Any]:
        """The report since `24h` ago, `7d` ago, or a date, with a fixed cost to be earned back.

        Where a new one takes too long, the last one, as old as its `generated_at` says. Raises `ValueError` for any
        other text, `ReportFailed`.
        """
        try:
            period_since(since, datetime.now(UTC))
        except OverflowError:
            raise ValueError(f"{since!r} is too long ago") from None
        asked = since, fixed_usd_per_month
        if (made := self._made.get(asked)) is not None:
            return made.report
        done, _ = await asyncio.wait({self._begun(asked)}, timeout=self._patience_s)
        for task in done:
            return task.result()
        if (last := self._last.get(asked)) is not None:
            return last
        raise ReportFailed(
            f"the report takes more than {self._patience_s:g} s and is still being made; ask again later, or for a "
            "shorter time"
        )

    def _begun(self, asked: _Asked) -> asyncio.Task[dict[str, Any]]:
        """The task that makes it, which goes on when nobody waits any longer."""
        if (task := self._making.get(asked)) is not None:
            return task
        if len(self._making) >= WAITING:
            raise ReportFailed("too many reports are asked for; try again in a moment")

        def ended(task: asyncio.Task[dict[str, Any]]) -> None:
            del self._making[asked]
            if not task.cancelled():
                task.exception()  # told to whoever waits; perhaps nobody does

        self._making[asked] = task = asyncio.create_task(self._in_turn(asked))
        task.add_done_callback(ended)
        return task

    async def _in_turn(self, asked: _Asked) -> dict[str, Any]:
        async with self._turn:
            began = time.monotonic()
            report = await self._make(*asked)
            self._made[asked] = _Made(report, max(REMEMBERED_S, time.monotonic() - began))
            self._last[asked] = report
            return report

    async def _make(self, since: str, fixed_usd_per_month: float) -> dict[str, Any]:
        # The child's own counters are nobody's: they must not join the workers' in that folder.
        environment = {name: value for name, value in os.environ.items() if name != "PROMETHEUS_MULTIPROC_DIR"}
        command = [*self._command, "--json", "--since", since, "--records", str(self._directory)]
        command += ["--fixed-usd-per-month", repr(fixed_usd_per_month)]
        # Not asyncio's: a loop that ends while it starts a child waits for that child for ever.
        try:
            child = subprocess.Popen(  # noqa: ASYNC220, S603 - our own program, started in a millisecond
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
            )
        except OSError as error:
            raise ReportFailed(f"the report could not be started: {error.strerror or error}") from error
        with contextlib.suppress(OSError):  # it has ended already
            os.setpriority(os.PRIO_PROCESS, child.pid, NICENESS)
        try:
            out, err = await self._read(child, self._deadline_s)
        except subprocess.TimeoutExpired:
            child.kill()
            await self._read(child, None)
            raise ReportFailed(f"the report took more than {self._deadline_s:g} s; ask for a shorter time") from None
        finally:
            child.kill()
        if child.returncode != 0:
            last = err.decode("utf-8", "replace").strip().splitlines()[-1:] or [f"exit status {child.returncode}"]
            raise ReportFailed(f"the report failed: {last[0][:500]}")
        try:
            made = orjson.loads(out)
        except ValueError:
            made = None
        if not isinstance(made, dict):
            raise ReportFailed("the report failed: what it printed is no report")
        return made

    async def _read(self, child: subprocess.Popen[bytes], timeout_s: float | None) -> tuple[bytes, bytes]:
        """What a child prints until it ends, in a thread of its own. Raises `subprocess.TimeoutExpired`."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._reader, partial(child.communicate, timeout=timeout_s))
