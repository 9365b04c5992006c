"""The records of a span of time in a table on disk, made in one pass over the files.

DuckDB reads them, within a limit of memory, into a temporary database that goes when the report is done. All reports
are queries on that one table, `requests`, so that no two of them can read a record differently.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from custom_router.reports.columns import FEEDBACK_COLUMNS, JSON_COLUMNS, KEPT, MOMENT, PRUNED_COLUMNS, typed
from custom_router.reports.period import Period, together
from custom_router.reports.source import Source, find_local, is_remote, remote_patterns

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY = "512MB"
"""What DuckDB may use for itself before it spills to disk. Its parser's buffers and the process come on top."""
_THREADS = min(4, os.cpu_count() or 1)
"""More would need more memory, each for a buffer of its own."""
_OPTIONS = (
    "format = 'newline_delimited', ignore_errors = true, "
    # A record is far shorter than this; the parser keeps a buffer of twice the size for each thread.
    "maximum_object_size = 2097152"
)


class RecordsUnreadable(RuntimeError):
    """The records cannot be read at all; the message says why and what would help."""


@dataclass(frozen=True, slots=True)
class Read:
    """What was read. `torn` lines are a file's last, cut off when a process was killed or a disk was full; other lines
    that are no record are `unreadable`. `first` is the time of the oldest record known of, in the span or not. `gaps`
    are the times within the span of which workers have deleted files: what is left of them is not all there was."""

    segments: int = 0
    records: int = 0
    torn: int = 0
    unreadable: int = 0
    first: datetime | None = None
    gaps: list[Period] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Store:
    """The table `requests` behind a connection, and how it came about."""

    connection: DuckDBPyConnection
    period: Period
    read: Read

    def rows(self, query: str, values: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Every row of a query's answer. Raises `RecordsUnreadable`, for instance where the disk is full."""
        with told():
            return self.connection.execute(query, values).fetchall()

    def row(self, query: str) -> tuple[Any, ...]:
        """The one row of an aggregate."""
        return self.rows(query)[0]

    def stream(self, query: str, batch: int = 5_000) -> Iterator[tuple[Any, ...]]:
        """The rows of a query's answer, a batch at a time in memory."""
        with told():
            answer = self.connection.execute(query)
            while rows := answer.fetchmany(batch):
                yield from rows


@contextmanager
def open_store(records: str, period: Period) -> Iterator[Store]:
    """Read the records of a folder, a file, a pattern or a bucket.

    Raises `OSError` for what is not there, `RecordsUnreadable` for what cannot be read.
    """
    with connected() as connection:
        yield Store(connection, period, on_files(connection, records, period, partial(_load, connection, period)))


@contextmanager
def connected() -> Iterator[DuckDBPyConnection]:
    """DuckDB with a database and its spilled data in a folder that goes afterwards."""
    import duckdb

    with tempfile.TemporaryDirectory(prefix="tier-router-report-") as scratch:
        config: dict[str, Any] = {
            "memory_limit": MEMORY,
            # Who was put behind others, as the proxy's own child is, leaves them the other processors.
            "threads": 1 if os.nice(0) > 0 else _THREADS,
            "temp_directory": os.path.join(scratch, "spilled"),
            "preserve_insertion_order": False,
            # Nothing is fetched from anywhere unless records in a bucket are asked for.
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        with duckdb.connect(os.path.join(scratch, "records.duckdb"), config=config) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            yield connection


def on_files(
    connection: DuckDBPyConnection, records: str, period: Period, work: Callable[[Source], Read], attempts: int = 3
) -> Read:
    """Do something with the files of the records, again where one of them was deleted meanwhile: workers thin out
    their own while they run."""
    source = _source(connection, records, period)
    try:
        with told():
            return work(source)
    except RecordsUnreadable:
        if attempts == 1 or is_remote(records) or all(Path(file).exists() for file in source.files):
            raise
        return on_files(connection, records, period, work, attempts - 1)


def _source(connection: DuckDBPyConnection, records: str, period: Period) -> Source:
    if not is_remote(records):
        return find_local(records, period)
    from custom_router.reports.remote import listed, open_remote

    open_remote(connection, records)
    pattern, feedback, pruned = remote_patterns(records)
    with told():
        files = listed(connection, pattern)
        if not files:
            raise FileNotFoundError(2, "No file matches the pattern", pattern)
        return Source(files, listed(connection, feedback), pruned=listed(connection, pruned))


def _load(connection: DuckDBPyConnection, period: Period, source: Source) -> Read:
    # The last word on each request counts.
    connection.execute(
        "CREATE OR REPLACE TABLE feedback AS SELECT request_id, arg_max(score, time) AS score "
        f"FROM {json_lines(source.feedback, FEEDBACK_COLUMNS)} "
        "WHERE request_id IS NOT NULL AND score IS NOT NULL AND time IS NOT NULL GROUP BY request_id",
        names_of(source.feedback),
    )
    connection.execute(
        f"CREATE OR REPLACE TABLE requests AS WITH timed AS "
        f"(SELECT *, {MOMENT} AS moment FROM {json_lines(source.files, JSON_COLUMNS)}) "
        f"SELECT {', '.join(f'{made} AS {name}' for name, made in KEPT.items())} "
        "FROM timed LEFT JOIN feedback USING (request_id) "
        f"WHERE moment IS NULL OR {within(period)}",
        names_of(source.files),
    )
    bad, records, first = connection.execute(
        "SELECT count(*) FILTER (moment IS NULL), count(moment), min(moment) FROM requests"
    ).fetchall()[0]
    if bad:
        connection.execute("DELETE FROM requests WHERE moment IS NULL")
    known = [moment for moment in (first and first.replace(tzinfo=UTC), source.first) if moment is not None]
    bad = max(0, bad - source.torn)
    return Read(
        len(source.files), records, source.torn, bad, min(known, default=None), gaps_of(connection, source, period)
    )


def gaps_of(connection: DuckDBPyConnection, source: Source, period: Period) -> list[Period]:
    """The times within the period of which segments were deleted that are not among the files: a copy that was made in
    time fills the gap."""
    rows = connection.execute(
        "SELECT segment, timezone('UTC', since), timezone('UTC', until) "
        f"FROM {json_lines(source.pruned, PRUNED_COLUMNS)} WHERE segment IS NOT NULL AND since < until",
        names_of(source.pruned),
    ).fetchall()
    here = {file.rpartition("/")[2].removesuffix(".gz") for file in source.files}
    gone = [Period(*(at.replace(tzinfo=UTC) for at in span)) for segment, *span in rows if segment not in here]
    return together(gone, period)


def within(period: Period) -> str:
    """The condition that a record was made in the period."""
    return f"(moment >= '{period.start.isoformat()}' AND moment < '{period.end.isoformat()}')"


def json_lines(files: list[str], columns: dict[str, str]) -> str:
    """The lines of files as a table, whose names are the query's one value, as `names_of` gives it. Lines that are no
    JSON object are rows of nulls."""
    if files:
        return f"read_json(?, columns = {typed(columns)}, {_OPTIONS})"
    return f"(SELECT {', '.join(f'NULL::{kind} AS {name}' for name, kind in columns.items())} WHERE FALSE)"


def names_of(files: list[str]) -> list[list[str]]:
    """The values of a query on `json_lines`."""
    return [files] if files else []


@contextmanager
def told() -> Iterator[None]:
    """DuckDB's errors as `RecordsUnreadable`."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        raise RecordsUnreadable(str(error).strip().splitlines()[0]) from error
