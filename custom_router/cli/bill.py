"""`tier-router bill`: a month's bill from the records."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from custom_router.cli.policy_file import PolicyOption, open_policy
from custom_router.cli.record_files import RecordsOption, opened
from custom_router.cli.terminal import fail, os_reason, say


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
    records: RecordsOption = None,
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
    from custom_router.reports.missing import missing
    from custom_router.reports.period import month as month_of

    named = month or f"{datetime.now(UTC):%Y-%m}"
    try:
        period = month_of(named)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--month") from error
    where = records or str(open_policy(policy).document.records.directory)
    with opened(where, period) as store:
        made, read = make_bill(store, team), store.read
    if team is not None and not made.lines:
        fail(f"no request of team {team!r} in {named}, among {read.records} of all teams in {where}")
    title = f"Routed requests of {team or 'all teams'}, {named}"
    notes = missing(made.total(), read, period)
    text = as_csv(made) if form is Form.CSV else (as_html if form is Form.HTML else as_table)(made, title, notes)
    try:
        with writing(output) as target:
            target.write(text.encode("utf-8", "replace"))
    except OSError as error:
        fail(f"{output}: {os_reason(error)}")
    if form is Form.CSV:
        for note in notes:
            say(f"note: {note}", err=True)
