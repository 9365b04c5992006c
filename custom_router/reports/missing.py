"""What is missing from a report's sums. Pure."""

from __future__ import annotations

from custom_router.reports.period import Period
from custom_router.reports.store import Read
from custom_router.reports.sums import Sums


def missing(sums: Sums, read: Read, period: Period) -> list[str]:
    """Remarks on what the sums do not hold."""
    told = [
        (sums.unpriced, f"{sums.unpriced} answered requests have no price and are not in the sums"),
        (read.unreadable, f"{read.unreadable} lines of the records are unreadable and not in the sums"),
        (read.torn, f"{read.torn} files end in a torn line, which is not in the sums"),
    ]
    found = [note for count, note in told if count]
    if read.first is not None and read.first > period.start:
        found.append(f"the oldest record is of {read.first:%Y-%m-%d %H:%M} UTC: nothing is known of before")
    return found
