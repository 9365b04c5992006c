"""`tier-router export`: records as a file for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from custom_router.cli.period_options import MonthOption, SinceOption, chosen_period
from custom_router.cli.policy_file import PolicyOption, open_policy
from custom_router.cli.record_files import RecordsOption, readable
from custom_router.cli.terminal import fail, paint, say


def export(
    parquet: Annotated[Path, typer.Option(metavar="FILE", help="The Parquet file to write.", dir_okay=False)],
    since: SinceOption = None,
    month: MonthOption = None,
    records: RecordsOption = None,
    with_text: Annotated[bool, typer.Option("--with-text", help="Prompt text too, where it was recorded.")] = False,
    policy: PolicyOption = None,
) -> None:
    """Write the decision records of a span of time to one Parquet file, nested as they are.

    \b
    Example:
      tier-router export --parquet november.parquet --month 2026-11
    """
    from custom_router.reports.export import export_parquet
    from custom_router.reports.missing import gaps_note

    period = chosen_period(since, month)
    if not parquet.absolute().parent.is_dir():
        fail(f"{parquet.absolute().parent}: no such folder to write to")
    where = records or str(open_policy(policy).document.records.directory)
    with readable(where):
        read = export_parquet(where, period, parquet, with_text=with_text)
    say(f"{read.records:,} records of {read.segments:,} files in {parquet}")
    for note in gaps_note(read):
        say(f"{paint('note:', 'note')} {note}", err=True)
    for count, told in (
        (read.unreadable, "lines of the records are unreadable and left out"),
        (read.torn, "files end in a torn line, which is left out"),
    ):
        if count:
            say(f"{paint('note:', 'note')} {count} {told}", err=True)
