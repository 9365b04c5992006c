"""`tier-router report`: what routing cost, saved, took and was worth, from the records."""

from __future__ import annotations

from typing import Annotated

import typer

from custom_router.cli.period_options import MonthOption, SinceOption, chosen_period
from custom_router.cli.policy_file import PolicyOption, open_policy
from custom_router.cli.record_files import RecordsOption, opened
from custom_router.cli.terminal import fail, os_reason, say


def report(
    since: SinceOption = None,
    month: MonthOption = None,
    records: RecordsOption = None,
    fixed_usd_per_month: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="What the router costs a month whether it is used or not, for the break-even.",
            show_default="the policy's",
        ),
    ] = None,
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

    period = chosen_period(since, month)
    fixed = fixed_usd_per_month
    if records is None or (fixed is None and policy is not None):  # a policy that is not theirs says nothing of records
        document = open_policy(policy).document
        records = str(document.records.directory) if records is None else records
        fixed = document.costs.fixed_usd_per_month if fixed is None else fixed
    with opened(records, period) as store:
        made = report_on(store, fixed or 0.0)
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
