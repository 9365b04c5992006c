"""Words, numbers and tables as the reports write them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, log10

from custom_router.reports.intervals import FEW, wilson

_BARS = "▁▂▃▄▅▆▇█"


def printable(name: str) -> str:
    """A name that moves no terminal's cursor."""
    return "".join(c if c.isprintable() else "?" for c in name)


def inert(name: str) -> str:
    """A name that no spreadsheet takes for a formula."""
    return f"'{name}" if name[:1] in ("=", "+", "-", "@", "\t", "\r") else name


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as columns: the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]).rstrip()
        for row in rows
    )


def usd(dollars: float | None) -> str:
    """Dollars to a hundredth of a cent, less than a tenth of one to two digits."""
    if dollars is None:
        return "–"
    sign, size = ("-" if dollars < 0 else ""), abs(dollars)
    decimals = min(12, 1 - floor(log10(size))) if 0 < size < 0.001 else 4
    return f"{sign}${size:,.{decimals}f}"


def percent(share: float | None) -> str:
    """A share as a percentage."""
    return "–" if share is None else f"{100 * share:.{0 if share >= 0.1 or share == 0 else 1}f} %"


def rate(count: int, of: int) -> str:
    """A share counted on `of`, with its 95 % interval; too few say so."""
    found = wilson(count, of)
    if found is None:
        return "–"
    if of < FEW:
        return f"too few ({count} of {of})"
    return f"{percent(count / of)} [{100 * found[0]:.1f}, {100 * found[1]:.1f}]"


def milliseconds(ms: float | None) -> str:
    """Milliseconds, to a tenth where they are few."""
    return "–" if ms is None else f"{ms:,.1f}" if ms < 100 else f"{ms:,.0f}"


def mean(score: float | None, of: int) -> str:
    """A mean of feedback in -1..1; too few say so."""
    return "–" if score is None else f"{score:+.2f}" if of >= FEW else f"too few ({of})"


def spark(values: Sequence[float], columns: int = 60) -> str:
    """Values as a row of bars; neighbours are added up where there are more than columns."""
    width = -(-len(values) // columns) or 1
    sums = [sum(values[start : start + width]) for start in range(0, len(values), width)]
    most = max(sums, default=0.0)
    return "".join(_BARS[min(len(_BARS) - 1, int(value / most * len(_BARS)))] if value > 0 else " " for value in sums)
