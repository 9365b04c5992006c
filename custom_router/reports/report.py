"""What routed requests cost, saved, took and were worth over a span of time: one report from the record files."""

from __future__ import annotations

from datetime import UTC, datetime

from custom_router.reports import breakdown, overview, quality
from custom_router.reports.latency import approximate, latency
from custom_router.reports.missing import missing
from custom_router.reports.period import Period
from custom_router.reports.projection import break_even, observed, project
from custom_router.reports.shape import Report, Span
from custom_router.reports.store import Store, open_store


def run_report(records: str, period: Period, fixed_usd_per_month: float = 0.0) -> Report:
    """Report on the records of a folder, a file, a pattern or an `s3://` address that were made in the period.

    `fixed_usd_per_month` is what the router costs whether it is used or not. Raises `OSError` where there are no
    records, `RecordsUnreadable` where they cannot be read. Blocks for as long as reading takes.
    """
    with open_store(records, period) as store:
        return report_on(store, fixed_usd_per_month)


def report_on(store: Store, fixed_usd_per_month: float = 0.0) -> Report:
    """Report on records that have been read."""
    sums = overview.total(store)
    step_s = breakdown.step_seconds(store.period)
    spans = observed(store.period, store.read.first, store.read.gaps)
    projection = project(overview.total(store, spans), sum(span.days for span in spans))
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
        break_even=break_even(sums, projection, fixed_usd_per_month),
        read=store.read,
        notes=[*missing(sums, store.read, store.period), *approximate(store)],
    )
