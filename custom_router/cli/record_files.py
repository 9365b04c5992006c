"""The records that a command reports on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from custom_router.cli.terminal import fail, os_reason

if TYPE_CHECKING:
    from custom_router.reports.period import Period
    from custom_router.reports.store import Store

RecordsOption = Annotated[
    str | None,
    typer.Option(
        metavar="PATH",
        help="The decision records: a folder, a file, a pattern, or s3://bucket/prefix/*.jsonl.",
        show_default="the policy's folder",
    ),
]


@contextmanager
def opened(records: str, period: Period) -> Iterator[Store]:
    """The records of a period, read; exits with 1 and the reason where they cannot be."""
    from custom_router.reports.store import open_store

    with readable(records), open_store(records, period) as store:
        yield store


@contextmanager
def readable(records: str) -> Iterator[None]:
    """Exits with 1 and the reason where the records cannot be read."""
    from custom_router.reports.store import RecordsUnreadable

    try:
        yield
    except OSError as error:
        fail(f"{error.filename or records}: {os_reason(error)}; name the records with --records if they are elsewhere")
    except RecordsUnreadable as error:
        fail(f"{records}: {error}")
