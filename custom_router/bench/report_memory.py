"""`python -m custom_router.bench.report_memory`: how much memory and time a report over many records takes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import orjson
import typer

from custom_router.bench.synthetic_records import write_records
from custom_router.reports.period import Period

app = typer.Typer(add_completion=False)
SEGMENT = 200_000
"""Distinct records. More are the same segment under other names, so that the disk need not hold them all."""
PERIOD = Period(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class Run:
    """One report in a process of its own: what it counted, its largest resident memory, and its time."""

    records: int
    peak_mib: float
    seconds: float


def fill(folder: Path, records: int, segment: int = SEGMENT) -> int:
    """Make at least `records` records in a folder, and feedback on a hundredth of the distinct ones; gives how many."""
    distinct = min(records, segment)
    first = write_records(folder, distinct, PERIOD, labelled=0.01)
    copies = -(-records // distinct)
    for number in range(1, copies):
        os.link(first, folder / f"decisions-{number}.jsonl")
    return copies * distinct


def run_once(folder: Path) -> Run:
    """Report on a folder, as the command does."""
    command = [sys.executable, "-m", "custom_router.cli", "report", "--month", f"{PERIOD.start:%Y-%m}", "--json"]
    begun = time.perf_counter()
    with tempfile.TemporaryFile() as out:
        child = subprocess.Popen([*command, "--records", str(folder)], stdout=out)  # noqa: S603
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - begun
        if child.returncode:
            raise RuntimeError(f"the report ended with {child.returncode}")
        out.seek(0)
        counted = orjson.loads(out.read())["requests"]
    return Run(counted, usage.ru_maxrss / 1024, seconds)


@app.command()
def main(
    records: Annotated[int, typer.Option(min=1, help="How many records.")] = 10_000_000,
    folder: Annotated[Path | None, typer.Option(help="Where they are made; kept.", show_default="temporary")] = None,
) -> None:
    """Make records of real shape and size, report on them once, print the peak of memory and the time."""
    with tempfile.TemporaryDirectory(prefix="tier-router-bench-") as scratch:
        where = folder or Path(scratch)
        made = fill(where, records)
        size = sum(path.stat().st_size for path in where.glob("*.jsonl"))
        run = run_once(where)
    if run.records != made:
        raise typer.Exit(1)
    each = size / made
    typer.echo(f"{made:,} records of {each:,.0f} bytes: {run.peak_mib:,.0f} MiB at most, {run.seconds:,.0f} s")


if __name__ == "__main__":
    app()
