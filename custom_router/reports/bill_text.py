"""A bill as a table, as CSV and as a page. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from html import escape

from custom_router.reports.bill import Bill, Payer, Sums
from custom_router.tiers import TIERS

_HEADINGS = ("requests", "cost $", "saved $", "simple", "medium", "frontier", "hits", "escalated", "errors")
_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #1a1a1a }}
table {{ border-collapse: collapse; width: 100%; margin-bottom: 2rem }}
th, td {{ padding: .3rem .6rem; text-align: right; border-bottom: 1px solid #ddd }}
th:first-child, td:first-child {{ text-align: left }}
td:first-child {{ overflow-wrap: anywhere }}
thead th {{ border-bottom: 2px solid #888 }}
.notes {{ color: #555 }}
</style>
<h1>{title}</h1>
{body}
</html>
"""


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
            rows = [(heading, *_HEADINGS), *((_printable(name), *_cells(sums)) for name, sums in lines)]
            widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
            parts.append(
                "\n".join(
                    "  ".join(
                        [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]
                    )
                    for row in rows
                )
            )
    return "\n\n".join([*parts, *(["\n".join(f"note: {note}" for note in notes)] if notes else [])]) + "\n"


def as_html(bill: Bill, title: str, notes: Sequence[str]) -> str:
    """One page that needs nothing else and runs nothing. Names are escaped: clients choose some of them."""
    body = []
    for heading, lines in sections(bill):
        if not lines:
            continue
        head = "".join(f"<th>{escape(cell)}</th>" for cell in (heading, *_HEADINGS))
        rows = "\n".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in (name, *_cells(sums))) + "</tr>"
            for name, sums in lines
        )
        body.append(f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>")
    if notes:
        body.append('<ul class="notes">' + "".join(f"<li>{escape(note)}</li>" for note in notes) + "</ul>")
    return _PAGE.format(title=escape(title), body="\n".join(body))


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
        writer.writerow([*(_inert(name) for name in (*names, payer.end_user)), *_figures(sums)])
    return out.getvalue()


def _figures(sums: Sums) -> list[object]:
    money = [f"{dollars:.10f}" for dollars in (sums.cost, sums.saved, sums.overhead, sums.escalation)]
    rates = f"{sums.hit_rate:.6f}", f"{sums.escalation_rate:.6f}"
    return [
        sums.requests, sums.errors, *money, *(sums.tiers[tier.value] for tier in TIERS), sums.hits, rates[0],
        sums.escalated, rates[1], sums.unpriced, sums.input_tokens, sums.output_tokens,
    ]  # fmt: skip


def _inert(name: str) -> str:
    """A name that no spreadsheet takes for a formula."""
    return f"'{name}" if name[:1] in ("=", "+", "-", "@", "\t", "\r") else name


def _printable(name: str) -> str:
    """A name that moves no terminal's cursor."""
    return "".join(c if c.isprintable() else "?" for c in name)


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
        f"{sums.errors:,}",
    )
