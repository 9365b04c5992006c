"""Spans of time as people type them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True, slots=True)
class Period:
    """From `start` up to, but not including, `end`; both with a time zone."""

    start: datetime
    end: datetime

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M} UTC"

    @property
    def days(self) -> float:
        """Its length; 0 for one that ends before it begins."""
        return max((self.end - self.start).total_seconds(), 0.0) / 86_400


def together(spans: Iterable[Period], within: Period) -> list[Period]:
    """The times that any of the spans covers, in order and without overlap, as far as they are in a period."""
    found: list[Period] = []
    for span in sorted(spans, key=lambda span: span.start):
        start, end = max(span.start, within.start), min(span.end, within.end)
        if start >= end:
            continue
        if found and start <= found[-1].end:
            found[-1] = Period(found[-1].start, max(found[-1].end, end))
        else:
            found.append(Period(start, end))
    return found


def since(text: str, now: datetime) -> Period:
    """The time since `30d`, `12h`, `90m`, `2w` ago, or since a date such as `2026-11-01`, in UTC.

    Raises `ValueError`.
    """
    if (length := re.fullmatch(r"(\d{1,5})([mhdw])", text)) is not None:
        return Period(now - timedelta(**{_UNITS[length[2]]: int(length[1])}), now)
    try:
        start = datetime.fromisoformat(text)
        start = start.astimezone(UTC) if start.tzinfo else start.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is neither a length such as 30d, 12h or 2w nor a date such as 2026-11-01") from None
    return Period(start, now)


def month(text: str) -> Period:
    """A calendar month such as `2026-11`, in UTC. Raises `ValueError`."""
    if (found := re.fullmatch(r"(\d{4})-(\d{2})", text)) is None or not 1 <= int(found[2]) <= 12 or int(found[1]) < 1:
        raise ValueError(f"{text!r} is no month such as 2026-11")
    year, number = int(found[1]), int(found[2])
    following = (year + 1, 1) if number == 12 else (year, number + 1)
    return Period(datetime(year, number, 1, tzinfo=UTC), datetime(*following, 1, tzinfo=UTC))
