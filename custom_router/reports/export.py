"""Records as one Parquet file, whole and nested as they are."""

from __future__ import annotations

import os
from dataclasses import is_dataclass
from functools import partial
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from custom_router.records.record import DecisionRecord
from custom_router.reports.columns import MOMENT
from custom_router.reports.period import Period
from custom_router.reports.source import Source
from custom_router.reports.store import Read, connected, gaps_of, json_lines, names_of, on_files, within

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_SCALARS: dict[type, str] = {str: "VARCHAR", float: "DOUBLE", int: "BIGINT", bool: "BOOLEAN"}


def export_parquet(records: str, period: Period, target: Path, *, with_text: bool = False) -> Read:
    """Write the records of a period, prompt text left out unless it is asked for.

    Fields of records of other versions are left out, those that a record lacks are null. `time` is a timestamp. The
    file is whole or is not there. Raises `OSError`, `RecordsUnreadable`.
    """
    part = target.with_name(f"{target.name}.part")
    try:
        with connected() as connection:
            read = on_files(connection, records, period, partial(_copy, connection, period, part, with_text))
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
    return read


def _copy(connection: DuckDBPyConnection, period: Period, part: Path, with_text: bool, source: Source) -> Read:
    ((bad,),) = connection.execute(
        f"SELECT count(*) FROM (SELECT {MOMENT} AS moment FROM {json_lines(source.files, {'time': 'VARCHAR'})}) "
        "WHERE moment IS NULL",
        names_of(source.files),
    ).fetchall()
    left_out = "moment" if with_text else "moment, text"
    ((written,),) = connection.execute(
        f"COPY (SELECT * EXCLUDE ({left_out}) REPLACE (moment AS time) FROM "
        f"(SELECT *, {MOMENT} AS moment FROM {json_lines(source.files, record_columns())}) WHERE {within(period)}) "
        f"TO '{str(part).replace(chr(39), chr(39) * 2)}' (FORMAT parquet, COMPRESSION zstd)",
        names_of(source.files),
    ).fetchall()
    bad = max(0, bad - source.torn)
    return Read(len(source.files), written, source.torn, bad, source.first, gaps_of(connection, source, period))


def record_columns() -> dict[str, str]:
    """Column to DuckDB type, of every field of a decision record."""
    return {name: _type(kind) for name, kind in get_type_hints(DecisionRecord).items()}


def _type(kind: Any) -> str:
    if is_dataclass(kind):
        inner = ", ".join(f"{name} {_type(of)}" for name, of in get_type_hints(kind).items())
        return f"STRUCT({inner})"
    if get_origin(kind) is UnionType:
        (some,) = (one for one in get_args(kind) if one is not type(None))
        return _type(some)
    if get_origin(kind) is list:
        return f"{_type(get_args(kind)[0])}[]"
    if get_origin(kind) is dict:
        key, value = get_args(kind)
        return f"MAP({_type(key)}, {_type(value)})"
    return _SCALARS[kind]
