"""Which request a log line is about: every line of ours that is logged on its way carries its id."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

FIELD = "router_request_id"
"""Attribute of the log record, and field of a line of JSON."""

_about: ContextVar[str | None] = ContextVar("tier_router_request", default=None)


def begin_request(request_id: str) -> None:
    """From here on this task, and those that it starts, work for a request."""
    _about.set(request_id)


@contextmanager
def about(request_id: str | None) -> Iterator[None]:
    """Work for a request in a task that also works for others."""
    token = _about.set(request_id)
    try:
        yield
    finally:
        _about.reset(token)


def mark_log_records() -> None:
    """Have `logging` put the request's id on the records of this package's loggers. Once a process.

    A filter of the package's logger would not do: it does not see what the loggers below it pass up.
    """
    made = logging.getLogRecordFactory()
    if getattr(made, "marks_requests", False):
        return
    package = __name__.partition(".")[0]

    def marked(name: str, *rest: Any, **more: Any) -> logging.LogRecord:
        record = made(name, *rest, **more)
        if (request_id := _about.get()) is not None and name.partition(".")[0] == package:
            setattr(record, FIELD, request_id)
        return record

    marked.marks_requests = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(marked)
