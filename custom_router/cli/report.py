"""`tier-router report`: what routing cost, saved, took and was worth, from the records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from custom_router.cli.policy_file import PolicyOption, open_policy
from custom_router.cli.record_files import RecordsOption, opened
from custom_router.cli.terminal import fail, os_reason, say

if TYPE_CHECKING:
    from custom_router.reports.period import Period


def report(
    since: Annotated[
        str | None, typer.Option(help="How far back: 12h, 7d, 2w, or a date, UTC.", show_default="7d")
    ] = None,
    month: Annotated[str | None, typer.Option(metavar="YYYY-MM", help="A calendar month, UTC, instead.")] = None,
    records: RecordsOption = None,
    fixed_usd_per_month: Annotated[
        float,
        typer.Option(min=0.0, help="What the router costs a month whether it is used or not, for the break-even."),
    ] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    html: Annotated[str | None, typer.Option(metavar="FILE", help="Write one page that needs nothing else.")] = None,
    policy: PolicyOption = None,
) -> None:
    """Report what routed requests cost, saved, took and were worth.

    "saved" is net of all that the router spent itself, against the frontier for the same tokens, and against the same
    mix of tiers dealt out at random.

    \b
    Example:
      tier-router report --since 7d
      tier-router report --month 2026-11 --html november.html
      tier-router report --records 's3://bucket/records/*.jsonl' --json
    """
    from custom_router.reports.report import report_on

    period = _period(since, month)
    with opened(records or str(open_policy(policy).document.records.directory), period) as store:
        made = report_on(store, fixed_usd_per_month)
    if html is not None:
        from custom_router.reports.report_text import as_html

        _write(html, as_html(made))
    if as_json:
        import orjson

        say(orjson.dumps(made, option=orjson.OPT_INDENT_2).decode())
    elif html is None:
        from custom_router.reports.report_text import as_text

        say(as_text(made).rstrip())


def _write(name: str, text: str) -> None:
    from custom_router.cli.text_files import writing

    try:
        with writing(name) as target:
            target.write(text.encode("utf-8", "replace"))
    except OSError as error:
        fail(f"{name}: {os_reason(error)}")


def _period(since: str | None, month: str | None) -> Period:
    from datetime import UTC, datetime

    from custom_router.reports.period import month as month_of
    from custom_router.reports.period import since as period_since

    if since is not None and month is not None:
        raise typer.BadParameter("give --since or --month, not both", param_hint="--month")
    try:
        return month_of(month) if month is not None else period_since(since or "7d", datetime.now(UTC))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--month" if month is not None else "--since") from error
