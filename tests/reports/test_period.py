"""Spans of time as typed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from custom_router.reports.period import Period, month, since, together

NOW = datetime(2026, 11, 25, 14, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("30d", NOW - timedelta(days=30)),
        ("12h", NOW - timedelta(hours=12)),
        ("90m", NOW - timedelta(minutes=90)),
        ("2w", NOW - timedelta(weeks=2)),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T02:00+02:00", datetime(2026, 11, 1, tzinfo=UTC)),
    ],
)
def test_since(text: str, start: datetime) -> None:
    period = since(text, NOW)
    assert (period.start, period.end) == (start, NOW)


@pytest.mark.parametrize("text", ["", "30", "d", "-3d", "3y", "yesterday", "2026-13-01", "0001-01-01T00:00+02:00"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="neither a length"):
        since(text, NOW)


def test_a_month_ends_where_the_next_begins() -> None:
    december = month("2026-12")
    assert datetime(2026, 12, 1, tzinfo=UTC) in december
    assert datetime(2026, 12, 31, 23, 59, 59, 999_999, UTC) in december
    assert datetime(2027, 1, 1, tzinfo=UTC) not in december
    assert month("2027-01").start == december.end


@pytest.mark.parametrize("text", ["2026", "2026-00", "2026-13", "0000-01", "2026-1", "26-01", "2026-01-01"])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no month"):
        month(text)


def test_spans_together_are_in_order_without_overlap_and_within() -> None:
    def span(start: int, end: int) -> Period:
        return Period(NOW + timedelta(hours=start), NOW + timedelta(hours=end))

    spans = [span(5, 7), span(1, 3), span(2, 4), span(4, 5), span(8, 8), span(20, 30), span(-9, -1)]
    assert together(spans, span(0, 21)) == [span(1, 7), span(20, 21)]
    assert together([], span(0, 1)) == []
