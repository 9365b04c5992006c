"""What routed requests cost, saved, took and were worth over a span of time: one report from the record files."""

from __future__ import annotations

from datetime import UTC, datetime

from custom_router.reports import breakdown, overview, quality
from custom_router.reports.latency import EXACT_UP_TO, latency
from custom_router.reports.period import Period
from custom_router.reports.projection import break_even, observed_days, project
from custom_router.reports.shape import Report, Span
from custom_router.reports.store import Read, Store, open_store
from custom_router.reports.sums import Sums


def run_report(records: str, period: Period, fixed_usd_per_month: float = 0.0) -> Report:
    """Report on the records of a folder, a file, a pattern or an `s3://` address that were made in the period.

    `fixed_usd_per_month` is what the router costs whether it is used or not. Raises `OSError` where there are no
    records, `RecordsUnreadable` where they cannot be read. Blocks for as long as reading takes.
    """
    with open_store(records, period) as store:
        return _report(store, fixed_usd_per_month)


def _report(store: Store, fixed_usd: float) -> Report:
    sums = overview.total(store)
    step_s = breakdown.step_seconds(store.period)
    projection = project(sums, observed_days(store.period, store.read.first))
    return Report(
        period=Span(store.period.start, store.period.end, step_s),
        generated_at=datetime.now(UTC),
        requests=sums.requests,
        errors=sums.errors,
        unknown=sums.unknown,
        cost=overview.cost(store, sums),
        tiers=overview.tiers(store, sums),
        escalation=overview.escalation(store),
        cache=overview.cache(store),
        latency_ms=latency(store),
        causes=overview.causes(store),
        domains=overview.counted(store, "domain"),
        intents=overview.counted(store, "intent"),
        policies=overview.counted(store, "policy_version"),
        deployments=overview.deployments(store),
        over_time=breakdown.over_time(store, step_s),
        by={name: breakdown.lines(store, kind) for name, kind in breakdown.KINDS.items()},
        quality=quality.quality(store),
        confidence=quality.gate_reliability(store),
        scores=quality.score_reliability(store),
        projection=projection,
        break_even=break_even(sums, projection, fixed_usd),
        read=store.read,
        notes=notes(sums, store.read, store.period),
    )


def notes(sums: Sums, read: Read, period: Period) -> list[str]:
    """What is missing from the sums, or not exact in the report."""
    told = [
        (sums.unpriced, f"{sums.unpriced} answered requests have no price and are not in the sums"),
        (read.unreadable, f"{read.unreadable} lines of the records are unreadable and not in the sums"),
        (read.torn, f"{read.torn} files end in a torn line, which is not in the sums"),
        (read.records > EXACT_UP_TO, f"above {EXACT_UP_TO:,} requests quantiles are approximate (t-digest)"),
    ]
    found = [note for count, note in told if count]
    if read.first is not None and read.first > period.start:
        found.append(f"the oldest record is of {read.first:%Y-%m-%d %H:%M} UTC: nothing is known of before")
    return found
