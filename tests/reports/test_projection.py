"""A month ahead and the break-even, from sums."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from custom_router.reports.intervals import wilson
from custom_router.reports.period import Period
from custom_router.reports.projection import MONTH_DAYS, break_even, observed_days, project
from custom_router.reports.sums import Sums

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
    made = project(Sums(requests=700, unpriced=3), 0.5)
    assert any("less than a week" in said for said in made.assumptions)
    assert any("3 answered requests without a price" in said for said in made.assumptions)
    few = project(Sums(requests=29), 7.0)
    assert few.month_requests is None
    assert "too few" in few.assumptions[0]


def test_days_count_from_the_oldest_record() -> None:
    assert observed_days(WEEK, None) == 7
    assert observed_days(WEEK, WEEK.start - timedelta(days=30)) == 7
    assert observed_days(WEEK, WEEK.end - timedelta(hours=12)) == 0.5


@pytest.mark.parametrize(
    ("sums", "fixed", "requests", "reached", "says"),
    [
        (SUMS, 40.0, 2_000, True, "paid for itself after 2,000 requests a month: at the present rate after 20.0 days"),
        (SUMS, 400.0, 20_000, False, "after 20,000 requests a month: at the present rate of 3,044 a month it does not"),
        (SUMS, 0.0, 0, True, "pays from the first one"),
        (Sums(requests=700, saved=-7.0), 40.0, None, False, "a request costs $0.010000 more than the frontier alone"),
        (Sums(requests=700), 0.0, None, False, "nothing was saved"),
        (Sums(requests=2, saved=1.0), 40.0, 80, False, "too few requests were made to say"),
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
