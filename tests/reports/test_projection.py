"""A month ahead and the break-even, from sums."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from custom_router.reports.intervals import wilson
from custom_router.reports.period import Period
from custom_router.reports.projection import MONTH_DAYS, break_even, observed, project
from custom_router.reports.sums import Sums
from custom_router.reports.text import spark, usd

WEEK = Period(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 8, tzinfo=UTC))
SUMS = Sums(requests=700, cost=7.0, baseline=21.0, saved=14.0)


def test_a_month_is_at_the_rate_of_the_days_observed() -> None:
    made = project(SUMS, 7.0)
    assert made.month_requests == round(100 * MONTH_DAYS)
    assert made.month_cost == pytest.approx(MONTH_DAYS)
    assert made.month_saved == pytest.approx(2 * MONTH_DAYS)
    assert any("7.0 days observed" in said for said in made.assumptions)
    assert not any("less than a week" in said for said in made.assumptions)


def test_what_makes_a_projection_doubtful_is_said() -> None:
    made = project(Sums(requests=700, unpriced=3), 1.5)
    assert any("less than a week" in said for said in made.assumptions)
    assert any("3 answered requests without a price" in said for said in made.assumptions)
    few = project(Sums(requests=29), 7.0)
    assert few.month_requests is None
    assert "too few" in few.assumptions[0]


def test_a_busy_minute_is_no_month() -> None:
    short = project(SUMS, 1 / 1_440)
    assert (short.month_requests, short.month_cost) == (None, None)
    assert "1 minutes are too short" in short.assumptions[0]
    assert project(SUMS, 1.0).month_requests is not None


def days(first: datetime | None, *gaps: Period) -> float:
    return sum(span.days for span in observed(WEEK, first, gaps))


def test_days_count_from_the_oldest_record() -> None:
    assert days(None) == 7
    assert days(WEEK.start - timedelta(days=30)) == 7
    assert days(WEEK.end - timedelta(hours=12)) == 0.5


def test_days_of_which_files_were_deleted_do_not_count() -> None:
    def gap(start: int, end: int) -> Period:
        return Period(WEEK.start + timedelta(days=start), WEEK.start + timedelta(days=end))

    old = WEEK.start - timedelta(days=30)
    assert days(old, gap(0, 6)) == 1
    assert days(old, gap(1, 2), gap(3, 5)) == 4
    assert days(WEEK.start + timedelta(days=4), gap(1, 2), gap(3, 5)) == 2
    assert days(old, gap(0, 7)) == 0


@pytest.mark.parametrize(
    ("sums", "fixed", "requests", "reached", "says"),
    [
        (SUMS, 40.0, 2_000, True, "paid for itself after 2,000 requests a month: at the present rate after 20.0 days"),
        (SUMS, 400.0, 20_000, False, "after 20,000 requests a month: at the present rate of 3,044 a month it does not"),
        (SUMS, 0.0, 0, True, "pays from the first one"),
        (Sums(requests=700, saved=-7.0), 40.0, None, False, "a request costs $0.010000 more than the frontier alone"),
        (Sums(requests=700), 0.0, None, False, "nothing was saved"),
        (Sums(requests=2, saved=1.0), 40.0, 80, False, "too little to say whether"),
        (Sums(), 40.0, None, False, "No request was made"),
    ],
)
def test_break_even(sums: Sums, fixed: float, requests: int | None, reached: bool, says: str) -> None:
    made = break_even(sums, project(sums, 7.0), fixed)
    assert (made.requests, made.reached) == (requests, reached)
    assert says in made.line


def test_wilsons_interval() -> None:
    """Figures of Newcombe (1998), table I, method 3."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert wilson(29, 29) == pytest.approx((0.8830, 1.0), abs=1e-4)
    assert wilson(0, 0) is None


@pytest.mark.parametrize(
    ("dollars", "shown"),
    [
        (0.0, "$0.0000"),
        (-0.25, "-$0.2500"),
        (1234.5, "$1,234.5000"),
        (0.000085, "$0.000085"),
        (1e-20, "$0.000000000000"),
    ],
)
def test_dollars_are_plain_numbers(dollars: float, shown: str) -> None:
    assert usd(dollars) == shown


def test_bars_keep_the_shape_in_few_columns() -> None:
    assert spark([0, 1, 2, 4, 8]) == " ▂▃▅█"
    assert len(spark(list(range(1_000)))) <= 60
    assert spark([]) == ""
