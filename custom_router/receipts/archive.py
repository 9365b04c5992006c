"""The decision records of this host as the routes read them: memory first, then the segments on disk."""

from __future__ import annotations

import asyncio
import re
from datetime import datetime
from pathlib import Path

from custom_router.receipts.following import Follower
from custom_router.receipts.listing import Page, Wanted, newest
from custom_router.records.find import Found, find_newest
from custom_router.records.sinks import JsonLinesSink
from custom_router.runtime import Runtime

REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
"""What a request id, ours or LiteLLM's, may look like."""
SEARCHED_MB = 256
"""Of the segments, newest first, that one id is looked for in."""


class Archive:
    """Reads one folder of records."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.follower = Follower(self.directory)

    @property
    def directory(self) -> Path:
        """Where this process writes its records."""
        sink = self._runtime.sink
        if isinstance(sink, JsonLinesSink):
            return sink.directory
        return Path(self._runtime.engine.policy.document.records.directory)

    @property
    def stopping(self) -> bool:
        """Whether the process is about to end, and streams with it."""
        return self._runtime.stopping.is_set()

    async def page(self, wanted: Wanted, limit: int, cursor: str | None, since_id: str | None) -> Page:
        """See `listing.newest`. Raises `ValueError` for a forged cursor, `OSError`."""
        return await asyncio.to_thread(newest, self.directory, wanted, limit, cursor=cursor, until_id=since_id)

    async def find(self, request: str, mine: Wanted, made: datetime | None = None) -> Found:
        """The record of a request id, or a LiteLLM call id, that is `mine`, sought first where one that was `made` then
        would be. Raises `OSError`."""
        if REQUEST_ID.fullmatch(request) is None:
            return Found(None)
        if (known := self._runtime.finished.recent.get(request)) is not None and mine(told := known.as_dict()):
            return Found(told)
        return await asyncio.to_thread(find_newest, self.directory, request, SEARCHED_MB * 2**20, mine, made)
