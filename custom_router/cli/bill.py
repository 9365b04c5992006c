"""`tier-router bill`: a month's bill from the records."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from custom_router.cli.policy_file import PolicyOption, open_policy
from custom_router.cli.terminal import fail, os_reason, say

if TYPE_CHECKING:
    from custom_router.reports.bill import Bill
    from custom_router.reports.period import Period
    from custom_router.reports.segments import Seen


class Form(StrEnum):
    """How a bill is written."""

    TABLE = "table"
    CSV = "csv"
    HTML = "html"


def bill(
    month: Annotated[str | None, typer.Option(metavar="YYYY-MM", help="Which month, UTC.", show_default="this")] = None,
    team: Annotated[str | None, typer.Option(help="Only this team, by id or alias.", show_default="everybody")] = None,
    form: Annotated[Form, typer.Option("--format", help="table, csv or html.")] = Form.TABLE,
    output: Annotated[str, typer.Option(metavar="FILE", help="Where the bill goes; - is stdout.")] = "-",
    records: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of the decision records.", show_default="the policy's"),
    ] = None,
    policy: PolicyOption = None,
) -> None:
    """Add up what routed requests cost and saved: by team, key and end user.

    "saved" is against the frontier's price for the same tokens, net of all that the router spent itself. CSV has one
    line for each team, key and end user; HTML is one page that needs nothing else.

    \b
    Example:
      tier-router bill --month 2026-11 --team support
      tier-router bill --month 2026-11 --format html --output november.html
    """
    from datetime import UTC, datetime

    from custom_router.cli.text_files import writing
    from custom_router.reports.bill import make_bill
    from custom_router.reports.bill_text import as_csv, as_html, as_table
    from custom_router.reports.period import month as month_of
    from custom_router.reports.segments import Seen, records_in

    named = month or f"{datetime.now(UTC):%Y-%m}"
    try:
        period = month_of(named)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--month") from error
    folder = records or Path(open_policy(policy).document.records.directory)
    seen = Seen()
    try:
        made = make_bill(records_in(folder, period, seen), team)
    except OSError as error:
        fail(f"{error.filename or folder}: {os_reason(error)}; name the folder with --records if it is another")
    if team is not None and not made.lines:
        fail(f"no request of team {team!r} in {named}, among {seen.records} of all teams in {folder}")
    title = f"Routed requests of {team or 'all teams'}, {named}"
    notes = _notes(made, seen, period)
    text = as_csv(made) if form is Form.CSV else (as_html if form is Form.HTML else as_table)(made, title, notes)
    try:
        with writing(output) as target:
            target.write(text.encode("utf-8", "replace"))
    except OSError as error:
        fail(f"{output}: {os_reason(error)}")
    if form is Form.CSV:
        for note in notes:
            say(f"note: {note}", err=True)


def _notes(made: Bill, seen: Seen, period: Period) -> list[str]:
    unpriced = made.total().unpriced
    told = [
        (unpriced, f"{unpriced} answered requests have no price and are not in the sums"),
        (seen.unreadable, f"{seen.unreadable} lines of the records are unreadable and not in the sums"),
        (seen.torn, f"{seen.torn} files end in a torn line, which is not in the sums"),
    ]
    notes = [note for count, note in told if count]
    if seen.first is not None and seen.first > period.start:
        notes.append(f"the oldest record is of {seen.first:%Y-%m-%d %H:%M} UTC: nothing is known of before")
    return notes
