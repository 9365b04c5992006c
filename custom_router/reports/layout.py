"""A report as tables of text, the same for a terminal and for a page. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from custom_router.reports.intervals import FEW
from custom_router.reports.shape import Bin, Labels, Line, Quantiles, Report
from custom_router.reports.text import mean, milliseconds, percent, rate, spark, usd

_NAMES = {"end_user": "end user", "call_type": "kind of call"}
_CAUSES_SHOWN = 15
LINES_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, rows of cells of which the first is the head, and remarks below."""

    title: str
    rows: Sequence[tuple[str, ...]] = ()
    remarks: Sequence[str] = ()


def title(report: Report) -> str:
    """What the report is of."""
    start, end = report.period.start, report.period.end
    return f"Routed requests, {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"


def sections(report: Report) -> list[Section]:
    """Every part that has something to say."""
    made = [_money(report), _tiers(report), _gate(report), _cache(report), _latency(report)]
    made += [_breakdown(name, lines) for name, lines in report.by.items()]
    made += [
        _reliability("Gate: confidence against feedback", report.confidence),
        _reliability("Classifier: P(simple is good enough) against feedback on simple answers", report.scores),
        _counts("Causes", report.causes, report.requests),
        _deployments(report),
        _month(report),
        Section("What this report does not hold", remarks=report.notes),
    ]
    return [section for section in made if len(section.rows) > 1 or section.remarks]


def over_time(report: Report) -> Section:
    """Time from left to right, for where there are no pictures."""
    steps = report.over_time
    told: dict[str, list[float]] = {
        "requests": [step.requests for step in steps],
        "to the frontier": [step.frontier for step in steps],
        "cost": [step.cost for step in steps],
        "saved": [step.saved for step in steps],
    }
    bars = [(name, spark(values)) for name, values in told.items()] if len(steps) > 1 else []
    ends = f"{steps[0].start:%m-%d %H:%M} to {steps[-1].start:%m-%d %H:%M}" if bars else ""
    return Section("Over time", [("each by its own most", ends), *bars])


def _money(report: Report) -> Section:
    cost = report.cost
    rows = [
        ("money", "", ""),
        ("cost", usd(cost.total), f"{usd(cost.per_request)} a request, {report.requests:,} requests"),
        ("  first answers", usd(cost.first_attempt), ""),
        ("  escalations", usd(cost.escalation), ""),
        ("  deciding and judging", usd(cost.classifier), ""),
        ("frontier alone", usd(cost.frontier_baseline), "the same tokens"),
        ("saved against it, net", usd(cost.saved), percent(cost.saved_share)),
    ]
    if cost.shuffled is not None:
        rows += [
            ("same tiers at random", usd(cost.shuffled), f"{cost.compared:,} answers priced at every tier"),
            ("saved against that, net", usd(cost.saved_shuffled), _share(cost.saved_shuffled, cost.shuffled)),
        ]
    rows.append(("failed; without an end", f"{report.errors:,}; {report.unknown:,}", ""))
    return Section("Cost and saving", rows)


def _tiers(report: Report) -> Section:
    rows = [("tier", "answers", "share", "cost", "labelled", "feedback", "good [95 %]")]
    for tier, found in report.tiers.items():
        cells = _labels(report.quality.by_tier[tier])
        rows.append((tier, f"{found.requests:,}", percent(found.share), usd(found.cost), *cells))
    rows.append(("cache", f"{report.cache.hit:,}", "–", "–", *_labels(report.quality.hits)))
    remarks = [] if report.quality.labelled else ["Nobody has said what answers were worth: POST /router/feedback."]
    return Section("Tiers and quality", rows, remarks)


def _gate(report: Report) -> Section:
    rows = [("answered first by", "judged", "replaced", "rate [95 %]")]
    for tier, found in report.escalation.by_tier.items():
        if found.judged:
            rows.append((tier, f"{found.judged:,}", f"{found.escalated:,}", rate(found.escalated, found.judged)))
    whole = report.escalation
    rows.append(("all", f"{whole.judged:,}", f"{whole.escalated:,}", rate(whole.escalated, whole.judged)))
    return Section("Confidence gate", rows if whole.judged else [])


def _cache(report: Report) -> Section:
    cache = report.cache
    rows = [
        ("cache", "requests", "share"),
        ("hit", f"{cache.hit:,}", percent(cache.hit_rate)),
        ("  same text", f"{cache.exact:,}", ""),
        ("  same question", f"{cache.semantic:,}", ""),
        ("miss", f"{cache.miss:,}", ""),
        ("passed by", f"{cache.bypass:,}", ""),
        ("wrong hits expected, by P(same)", f"{cache.estimated_wrong:,.2f}", _share(cache.estimated_wrong, cache.hit)),
        ("wrong hits by feedback", f"{cache.labelled_wrong:,}", rate(cache.labelled_wrong, cache.labelled)),
    ]
    return Section("Cache", rows if cache.hit or cache.miss else [])


def _latency(report: Report) -> Section:
    latency = report.latency_ms
    told: list[tuple[str, Quantiles]] = [
        ("answered directly", latency.direct),
        ("escalated", latency.escalated),
        ("from the cache", latency.hit),
        ("first token of streams", latency.ttft),
        ("added by the router", latency.overhead),
        *((f"  {stage}", found) for stage, found in latency.stages.items()),
    ]
    rows: list[tuple[str, ...]] = [("milliseconds", "n", "P50", "P95", "P99")]
    for name, found in told:
        if found.n:
            rows.append((name, f"{found.n:,}", *(milliseconds(ms) for ms in (found.p50, found.p95, found.p99))))
    few = any(0 < found.n < 100 for _, found in told)
    return Section("Latency", rows, ["P99 of fewer than 100 requests is close to the slowest of them."] if few else [])


def _breakdown(name: str, lines: list[Line]) -> Section:
    shown = _NAMES.get(name, name)
    rows: list[tuple[str, ...]] = [
        (shown, "requests", "cost", "saved", "simple", "medium", "frontier", "hits", "replaced", "errors", "P50 ms",
         "P95 ms", "feedback")
    ]  # fmt: skip
    for line in _shown(lines):
        answered = line.simple + line.medium + line.frontier
        mix = (percent(n / answered) if answered else "–" for n in (line.simple, line.medium, line.frontier))
        shares = (percent(n / line.requests) for n in (line.hits, line.escalated))
        times = (milliseconds(line.p50), milliseconds(line.p95))
        rows.append(
            (line.name, f"{line.requests:,}", usd(line.cost), usd(line.saved), *mix, *shares, f"{line.errors:,}",
             *times, mean(line.feedback, line.labelled))
        )  # fmt: skip
    more = len(lines) - len(rows) + 1
    return Section(f"By {shown}", rows, [f"and {more} more; --json lists them"] if more else [])


def _shown(lines: list[Line]) -> list[Line]:
    """The dearest, and the line of the others that are not even in the report."""
    return lines[:LINES_SHOWN] + [line for line in lines[LINES_SHOWN:] if line.id is None]


def _reliability(heading: str, bins: list[Bin]) -> Section:
    rows = [("probability", "requests", "mean", "labelled", "good [95 %]")]
    for found in bins:
        if found.n:
            good = round((found.good_share or 0.0) * found.labelled)
            shown = "–" if found.mean_confidence is None else f"{found.mean_confidence:.2f}"
            rows.append(
                (f"{found.low:.1f} to {found.high:.1f}", f"{found.n:,}", shown, f"{found.labelled:,}",
                 rate(good, found.labelled))
            )  # fmt: skip
    labelled = sum(found.labelled for found in bins)
    few = labelled < FEW
    return Section(heading, rows, [f"{labelled} labelled are too few to judge it."] if few and len(rows) > 1 else [])


def _counts(heading: str, counts: dict[str, int], of: int) -> Section:
    shown = list(counts.items())[:_CAUSES_SHOWN]
    rows = [(heading.lower(), "requests", "share"), *((name, f"{n:,}", _share(n, of)) for name, n in shown)]
    rest = len(counts) - len(shown)
    return Section(heading, rows, [f"and {rest} more; --json lists them"] if rest else [])


def _deployments(report: Report) -> Section:
    rows = [("deployment", "requests", "errors", "cost")]
    rows += [
        (name[:12], f"{use.requests:,}", f"{use.errors:,}", usd(use.cost)) for name, use in report.deployments.items()
    ]
    return Section("Deployments", rows)


def _month(report: Report) -> Section:
    ahead = report.projection
    rows: list[tuple[str, ...]] = []
    said = "assumed" if ahead.month_requests is not None else "no projection"
    if ahead.month_requests is not None:
        rows = [
            ("a month at this rate", ""),
            ("requests", f"{ahead.month_requests:,}"),
            ("cost", usd(ahead.month_cost)),
            ("frontier alone", usd(ahead.month_frontier)),
            ("saved, net", usd(ahead.month_saved)),
        ]
    return Section("A month ahead", rows, [report.break_even.line, *(f"{said}: {a}" for a in ahead.assumptions)])


def _labels(labels: Labels) -> tuple[str, str, str]:
    return f"{labels.labelled:,}", mean(labels.mean, labels.labelled), rate(labels.good, labels.labelled)


def _share(part: float | None, whole: float | None) -> str:
    return percent(part / whole) if part is not None and whole else "–"
