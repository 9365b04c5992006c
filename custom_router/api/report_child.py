"""The report as the console shows it: made by a child process, so that DuckDB never enters the proxy."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from cachetools import TTLCache

from custom_router.reports.period import since as period_since

COMMAND = (sys.executable, "-m", "custom_router.cli", "report")
DEADLINE_S = 60.0
REMEMBERED_S = 15.0
WAITING = 8
LONGEST = 16 * 2**20
"""Bytes of a report; it holds sums, and is no longer for more records."""


class ReportFailed(Exception):
    """There is no report now, for the reason given."""


class ReportChild:
    """Makes reports, one at a time, and remembers each for a moment. For one event loop."""

    def __init__(self, directory: Path, command: Sequence[str] = COMMAND, deadline_s: float = DEADLINE_S) -> None:
        self._directory = directory
        self._command = command
        self._deadline_s = deadline_s
        self._made: TTLCache[tuple[str, float], dict[str, Any]] = TTLCache(32, REMEMBERED_S, time.monotonic)
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def report(self, since: str, fixed_usd_per_month: float = 0.0) -> dict[str, Any]:
        """The report since `24h` ago, `7d` ago, or a date, with a fixed cost to be earned back. Raises `ValueError` for
        any other text, `ReportFailed`."""
        try:
            period_since(since, datetime.now(UTC))
        except OverflowError:
            raise ValueError(f"{since!r} is too long ago") from None
        asked = since, fixed_usd_per_month
        if (made := self._made.get(asked)) is not None:
            return made
        if self._waiting >= WAITING:
            raise ReportFailed("too many reports are asked for; try again in a moment")
        self._waiting += 1
        try:
            async with self._turn:
                if (made := self._made.get(asked)) is None:
                    made = self._made[asked] = await self._make(*asked)
                return made
        finally:
            self._waiting -= 1

    async def _make(self, since: str, fixed_usd_per_month: float) -> dict[str, Any]:
        # The child's own counters are nobody's: they must not join the workers' in that folder.
        environment = {name: value for name, value in os.environ.items() if name != "PROMETHEUS_MULTIPROC_DIR"}
        try:
            child = await asyncio.create_subprocess_exec(
                *self._command, "--json", "--since", since, "--records", str(self._directory),
                "--fixed-usd-per-month", repr(fixed_usd_per_month),
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
                env=environment, limit=LONGEST,
            )  # fmt: skip
        except OSError as error:
            raise ReportFailed(f"the report could not be started: {error.strerror or error}") from error
        try:
            async with asyncio.timeout(self._deadline_s):
                out, err = await child.communicate()
        except TimeoutError:
            raise ReportFailed(f"the report took more than {self._deadline_s:g} s; ask for a shorter time") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()
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
