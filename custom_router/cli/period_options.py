"""The span of time that a command looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from custom_router.reports.period import Period

SinceOption = Annotated[str | None, typer.Option(help="How far back: 12h, 7d, 2w, or a date, UTC.", show_default="7d")]
MonthOption = Annotated[str | None, typer.Option(metavar="YYYY-MM", help="A calendar month, UTC, instead.")]


def chosen_period(since: str | None, month: str | None) -> Period:
    """The span that was typed. Ends the command with 2 where it is none."""
    from datetime import UTC, datetime

    from custom_router.reports.period import month as month_of
    from custom_router.reports.period import since as period_since

    if since is not None and month is not None:
        raise typer.BadParameter("give --since or --month, not both", param_hint="--month")
    try:
        return month_of(month) if month is not None else period_since(since or "7d", datetime.now(UTC))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--month" if month is not None else "--since") from error
