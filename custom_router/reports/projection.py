"""A month at the rate of the span, and when the saving pays for the router. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from math import ceil

from custom_router.reports.intervals import FEW
from custom_router.reports.period import Period
from custom_router.reports.shape import BreakEven, Projection
from custom_router.reports.sums import Sums

MONTH_DAYS = 365.25 / 12
LEAST_DAYS = 0.99
"""A month at the rate of a busy minute would be nonsense; this is a day, less what asking takes."""


def observed(period: Period, first: datetime | None, gaps: Sequence[Period]) -> list[Period]:
    """The times of the span whose records are all there: from the oldest record known on, without those of which
    files were deleted. `gaps` are in order and do not overlap."""
    start = period.start if first is None else max(period.start, first)
    edges = [start, *(edge for gap in gaps for edge in (gap.start, gap.end)), period.end]
    kept = [Period(max(begin, start), end) for begin, end in zip(edges[::2], edges[1::2], strict=True)]
    return [span for span in kept if span.days > 0]


def project(sums: Sums, days: float) -> Projection:
    """What a month would be at the rate of some sums over so many days, and under which assumptions."""
    if sums.requests < FEW:
        return Projection(None, None, None, None, [f"fewer than {FEW} requests are too few for a projection"])
    if days < LEAST_DAYS:
        return Projection(None, None, None, None, [f"{_days(days)} are too short for a projection; a day is the least"])
    factor = MONTH_DAYS / days
    assumptions = [
        f"a month of {MONTH_DAYS:.1f} days brings requests at the rate of the {_days(days)} observed",
        "tiers, escalations, cache hits, prompt and answer lengths stay as they were",
        "prices stay as they were billed",
        "the frontier would have answered with as many tokens as the answer that was delivered",
    ]
    if days < 7:
        assumptions.append("less than a week was observed: nights and weekends may not be in it as they will be")
    if sums.unpriced:
        assumptions.append(f"{sums.unpriced:,} answered requests without a price count as if they cost nothing")
    return Projection(
        round(sums.requests * factor), sums.cost * factor, sums.baseline * factor, sums.saved * factor, assumptions
    )


def break_even(sums: Sums, projection: Projection, fixed_usd: float) -> BreakEven:
    """How many requests a month pay for what the router costs a month beyond the requests: `fixed_usd`."""
    if not sums.requests:
        return BreakEven(fixed_usd, None, None, False, "No request was made: nothing is known of what one saves.")
    saved = sums.saved / sums.requests
    if saved <= 0:
        line = (
            f"The router does not pay for itself: a request costs ${-saved:,.6f} more than the frontier alone would."
            if saved < 0
            else "The router does not pay for itself: nothing was saved."
        )
        return BreakEven(fixed_usd, saved, None, False, line)
    if fixed_usd <= 0:
        line = f"Each request saves ${saved:,.6f} net; no fixed costs are given, so it pays from the first one."
        return BreakEven(0.0, saved, 0, True, line)
    needed = ceil(fixed_usd / saved)
    month = projection.month_requests
    if month is None:
        reached, said = False, "what was seen is too little to say whether a month brings as many"
    elif reached := month >= needed:
        said = f"at the present rate after {MONTH_DAYS * needed / month:,.1f} days, of {month:,} requests a month"
    else:
        said = f"at the present rate of {month:,} a month it does not"
    paid = f"With ${fixed_usd:,.2f} a month fixed the router has paid for itself after {needed:,} requests a month"
    return BreakEven(fixed_usd, saved, needed, reached, f"{paid}: {said}.")


def _days(days: float) -> str:
    if days >= 2:
        return f"{days:,.1f} days"
    return f"{days * 24:,.1f} hours" if days * 24 >= 2 else f"{days * 1440:,.0f} minutes"
