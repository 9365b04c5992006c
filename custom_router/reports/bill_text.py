"""A bill as a table, as CSV and as a page. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from custom_router.reports.bill import Bill, Payer
from custom_router.reports.page import listed, page, table
from custom_router.reports.sums import Sums
from custom_router.reports.text import aligned, inert, printable
from custom_router.tiers import TIERS

_HEADINGS = ("requests", "cost $", "saved $", "simple", "medium", "frontier", "hits", "escalated", "errors")


def sections(bill: Bill) -> list[tuple[str, list[tuple[str, Sums]]]]:
    """Heading, and name and sums of each line: teams, keys, end users, the whole."""
    return [
        ("team", [(bill.team_name(payer), sums) for payer, sums in bill.by_team().items()]),
        ("key", [(_key(bill, payer), sums) for payer, sums in bill.by_key().items()]),
        ("end user", [(f"{payer.end_user} by {_key(bill, payer)}", s) for payer, s in bill.by_end_user().items()]),
        ("together", [("everything", bill.total())]),
    ]


def as_table(bill: Bill, title: str, notes: Sequence[str]) -> str:
    """For a terminal."""
    parts = [title]
    for heading, lines in sections(bill):
        if lines:
            parts.append(aligned([(heading, *_HEADINGS), *((printable(name), *_cells(sums)) for name, sums in lines)]))
    return "\n\n".join([*parts, *(["\n".join(f"note: {note}" for note in notes)] if notes else [])]) + "\n"


def as_html(bill: Bill, title: str, notes: Sequence[str]) -> str:
    """One page that needs nothing else and runs nothing."""
    parts = [
        table([(heading, *_HEADINGS), *((name, *_cells(sums)) for name, sums in lines)])
        for heading, lines in sections(bill)
        if lines
    ]
    return page(title, [*parts, *([listed(notes)] if notes else [])])


_COLUMNS = (
    "team_id", "team", "key_hash", "key", "end_user", "requests", "errors", "cost_usd", "saved_usd", "overhead_usd",
    "escalation_usd", "simple", "medium", "frontier", "hits", "hit_rate", "escalated", "escalation_rate", "unpriced",
    "input_tokens", "output_tokens",
)  # fmt: skip


def as_csv(bill: Bill) -> str:
    """The finest lines, one for each team, key and end user, so that any sum can be made from them."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for payer, sums in bill.lines.items():
        names = (payer.team, bill.aliases.get(payer.team, ""), payer.key, bill.aliases.get(payer.key, ""))
        writer.writerow([*(inert(name) for name in (*names, payer.end_user)), *_figures(sums)])
    return out.getvalue()


def _figures(sums: Sums) -> list[object]:
    money = [f"{dollars:.10f}" for dollars in (sums.cost, sums.saved, sums.overhead, sums.escalation)]
    rates = f"{sums.hit_rate:.6f}", f"{sums.escalation_rate:.6f}"
    return [
        sums.requests, sums.failed, *money, *(sums.tiers[tier.value] for tier in TIERS), sums.hits, rates[0],
        sums.escalated, rates[1], sums.unpriced, sums.input_tokens, sums.output_tokens,
    ]  # fmt: skip


def _key(bill: Bill, payer: Payer) -> str:
    return f"{bill.key_name(payer)} of {bill.team_name(payer)}" if payer.team else bill.key_name(payer)


def _cells(sums: Sums) -> tuple[str, ...]:
    mix: Mapping[str, int] = sums.tiers
    answered = sum(mix.values()) or 1
    return (
        f"{sums.requests:,}",
        f"{sums.cost:,.4f}",
        f"{sums.saved:,.4f}",
        *(f"{100 * mix.get(tier.value, 0) / answered:.0f} %" for tier in TIERS),
        f"{100 * sums.hit_rate:.0f} %",
        f"{100 * sums.escalation_rate:.0f} %",
        f"{sums.failed:,}",
    )
