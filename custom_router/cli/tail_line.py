"""One decision record as one line of a terminal. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from custom_router.reports.text import printable, usd

_COLOURS = {"simple": "green", "medium": "yellow", "frontier": "magenta"}
_WIDTHS = (8, 10, 13, 9, 9, 9)
"""Of time, tier, what became of it, cost, milliseconds and domain."""


def tail_line(record: Mapping[str, Any], width: int, colour: bool) -> str:
    """The time, the tier, what became of the answer, cost, milliseconds, domain, team, causes and id of a request, as
    much of it as `width` columns hold. Names that clients chose move no cursor."""
    tier, happened = str(record.get("tier") or "?"), _happened(record)
    cost, took = _number(_part(record, "cost").get("total")), _number(_part(record, "latency_ms").get("total"))
    cells = (
        str(record.get("time") or "")[11:19],
        tier,
        happened,
        usd(cost),
        "–" if took is None else f"{took:,.0f} ms",
        str(_part(record, "domain").get("name") or "–"),
    )
    tenant, causes = _part(record, "tenant"), record.get("causes")
    rest = [
        str(tenant.get("team_alias") or tenant.get("team") or tenant.get("key_alias") or "–"),
        ",".join(map(str, causes)) if isinstance(causes, list) else "",
        str(record.get("request_id") or ""),
    ]
    parts = [printable(cell)[:w].ljust(w) for cell, w in zip(cells, _WIDTHS, strict=True)]
    line = " ".join([*parts, *(printable(cell) for cell in rest)])
    if len(line) > width:
        line = line[: max(0, width - 1)] + "…"
    return _painted(line, tier, happened) if colour else line


def _painted(line: str, tier: str, happened: str) -> str:
    """The line with its tier, and an error, in colour."""
    start = _WIDTHS[0] + 1
    middle, after = start + _WIDTHS[1], start + _WIDTHS[1] + 1 + _WIDTHS[2]
    painted = typer.style(line[start:middle], fg=_COLOURS.get(tier))
    outcome = line[middle:after]
    if happened.startswith(("error", "unknown")):
        outcome = typer.style(outcome, fg="red")
    elif happened == "hit" or "↑" in happened:
        outcome = typer.style(outcome, fg="cyan")
    return line[:start] + painted + outcome + line[after:]


def _happened(record: Mapping[str, Any]) -> str:
    status = _part(record, "outcome").get("status")
    if status != "ok":
        return str(status or "unknown")
    if _part(record, "cache").get("status") == "hit":
        return "hit"
    if to := _part(record, "gate").get("escalated_to"):
        return f"↑ {to}"
    return "ok"


def _part(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = record.get(name)
    return value if isinstance(value, Mapping) else {}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
