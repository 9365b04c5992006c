"""What is missing from a report's sums. Pure."""

from __future__ import annotations

from custom_router.reports.period import Period
from custom_router.reports.store import Read
from custom_router.reports.sums import Sums

_LISTED = 3


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
    return [*found, *gaps_note(read)]


def gaps_note(read: Read) -> list[str]:
    """The remark that files of some times are gone; none where all are there."""
    gaps = read.gaps
    if not gaps:
        return []
    many = f"{len(gaps)} times from {Period(gaps[0].start, gaps[-1].end)}"
    when = ", ".join(map(str, gaps)) if len(gaps) <= _LISTED else many
    return [f"of {when} workers have deleted files to make room (records.keep_segments): what was in them is missing"]
