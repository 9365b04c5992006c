"""The report against plain sums of random records, the bill and the audit; small samples; hostile names."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custom_router.bench.synthetic_records import synthetic_records, write_records
from custom_router.records.record import (
    CacheFields,
    CostFields,
    DecisionRecord,
    DomainFields,
    GateFields,
    OutcomeFields,
    ScoreFields,
    Tenant,
    TokenFields,
)
from custom_router.reports.bill import make_bill
from custom_router.reports.breakdown import LISTED
from custom_router.reports.intervals import FEW
from custom_router.reports.layout import LINES_SHOWN
from custom_router.reports.overrides_audit import audit_overrides, judged_requests
from custom_router.reports.period import Period
from custom_router.reports.projection import MONTH_DAYS
from custom_router.reports.report import report_on, run_report
from custom_router.reports.report_text import as_html, as_text
from custom_router.reports.shape import Report
from custom_router.reports.store import MEMORY
from tests.reports import naive
from tests.reports.lines import NOVEMBER, made, stored
from tests.reports.test_bill import EVIL, Page

NAMES = st.sampled_from([None, "", "red", "blue", EVIL, "\x1b[2J", "naïve \u202e"])
USD = st.one_of(st.none(), st.floats(0, 10, allow_nan=False))
CENT = 0.005


@st.composite
def anything(draw: st.DrawFn) -> DecisionRecord:
    """A record with any combination of fields, sensible or not."""
    tiers = st.sampled_from(["simple", "medium", "frontier"])
    prices = draw(st.dictionaries(tiers, st.floats(0, 5)))
    kind = draw(st.sampled_from([None, "exact", "semantic"]))
    status = "hit" if kind else draw(st.sampled_from(["miss", "bypass"]))
    total = draw(USD)
    return made(
        draw(st.integers(0, 10**6)),
        time=(NOVEMBER.start + timedelta(minutes=draw(st.integers(0, 43_000)))).isoformat(),
        tenant=Tenant(draw(NAMES), draw(NAMES), draw(NAMES), draw(NAMES), draw(NAMES)),
        tier=draw(tiers),
        decided_tier=draw(tiers),
        call_type=draw(st.sampled_from(["chat", "responses"])),
        domain=DomainFields(draw(st.sampled_from([None, "finance"])), 1.0, "term:x", "medium"),
        causes=draw(st.lists(st.sampled_from(["score", "domain_rule", "caller_cap"]), unique=True)),
        cache=CacheFields(status, kind, p_same=0.9 if kind == "semantic" else None, guard=draw(NAMES)),
        gate=GateFields(
            confidence=draw(st.one_of(st.none(), st.floats(0, 1))),
            verdict=draw(st.sampled_from(["bypass", "trust", "review", "escalate"])),
            escalated_to=draw(st.sampled_from([None, "frontier"])),
        ),
        scores=ScoreFields({"simple": draw(st.floats(0, 1))}, intent=draw(NAMES)),
        latency_ms=draw(st.dictionaries(st.sampled_from(["total", "ttft", "cache", "rules"]), st.floats(0, 1e5))),
        tokens=TokenFields(draw(st.integers(0, 10**6)), draw(st.integers(0, 10**6))),
        cost=CostFields(
            total=total,
            first_attempt=total,
            escalation=draw(st.floats(0, 1)),
            classifier=draw(st.floats(0, 1)),
            self_check=draw(st.floats(0, 1)),
            alternatives=prices,
            frontier_baseline=prices.get("frontier"),
            saved=prices["frontier"] - total if total is not None and "frontier" in prices else None,
        ),
        outcome=OutcomeFields(draw(st.sampled_from(["ok", "error", "unknown"]))),
    )


def plain(records: list[DecisionRecord]) -> list[dict[str, Any]]:
    return [orjson.loads(record.to_json()) for record in records]


def flat(report: Report) -> dict[str, Any]:
    """Figures of the report's JSON by their path."""

    def below(value: Any, path: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            return {path: value}
        return {p: v for key, inner in value.items() for p, v in below(inner, f"{path}.{key}" if path else key).items()}

    return below(orjson.loads(orjson.dumps(report)), "")


def close(expected: Any) -> Any:
    return pytest.approx(expected, rel=1e-9, abs=1e-12) if expected is not None else None


def held_to(report: Report, records: list[DecisionRecord]) -> None:
    """The report says what plain sums over the records say."""
    known, figures = plain(records), flat(report)
    for name, expected in naive.totals(known).items():
        assert figures[name] == close(expected), name
    assert report.causes == Counter(cause for r in known for cause in r["causes"])
    assert report.domains == naive.named(known, "domain", "name")
    assert report.intents == naive.named(known, "scores", "intent")
    assert report.cache.guards == naive.named(known, "cache", "guard")
    for path in ("direct", "escalated", "hit"):
        assert getattr(report.latency_ms, path).p50 == close(naive.median_ms(known, path))
    for name, lines in report.by.items():
        if name in ("team", "key", "call_type"):
            assert sum(line.requests for line in lines) == len(records)
            assert sum(line.cost for line in lines) == pytest.approx(report.cost.total)
    assert sum(step.requests for step in report.over_time) == len(records)
    assert sum(step.saved for step in report.over_time) == pytest.approx(report.cost.saved)
    assert sum(found.n for found in report.confidence) <= report.escalation.judged


@settings(max_examples=25, deadline=None)
@given(st.lists(anything(), max_size=12))
def test_whatever_the_records_hold_the_sums_are_those_of_plain_python_and_the_bill(
    records: list[DecisionRecord],
) -> None:
    with stored(*records) as store:
        report = report_on(store)
        held_to(report, records)
        bill = make_bill(store)
        whole = bill.total()
        assert whole.cost == pytest.approx(report.cost.total, abs=CENT)
        assert whole.saved == pytest.approx(report.cost.saved, abs=CENT)
        assert (whole.requests, whole.failed) == (report.requests, report.errors + report.unknown)
        teams = {line.id: line.cost for line in report.by["team"]}
        assert teams == {payer.team: pytest.approx(sums.cost, abs=CENT) for payer, sums in bill.by_team().items()}
        audit = audit_overrides(judged_requests(store), {})
        assert (audit.requests, audit.matched) == (report.requests, report.domains.get("finance", 0))
    text, page = as_text(report), Page(as_html(report))
    assert not re.search(r"[^\n\S ]|\x1b|\u202e", text), "nothing moves the cursor or turns the line"
    assert not page.tags & {"script", "a", "img", "link", "iframe"}


def test_records_of_real_shape_and_their_feedback(tmp_path: Path) -> None:
    count = 3_000
    write_records(tmp_path, count, NOVEMBER, labelled=0.2, seed=3)
    records = list(synthetic_records(count, NOVEMBER, seed=3))
    report = run_report(str(tmp_path), NOVEMBER, fixed_usd_per_month=1.0)
    held_to(report, records)
    feedback = [orjson.loads(line) for line in (tmp_path / "feedback" / "feedback-0.jsonl").read_bytes().splitlines()]
    scores = {line["request_id"]: line["score"] for line in feedback}
    known = plain(records)
    labelled = [r for r in known if r["request_id"] in scores]
    assert (report.quality.labelled, len(labelled)) == (len(scores), len(scores))
    assert report.quality.mean == pytest.approx(sum(scores.values()) / len(scores))
    for tier, found in report.quality.by_tier.items():
        of_tier = [scores[r["request_id"]] for r in labelled if r["tier"] == tier and not naive.is_hit(r)]
        assert (found.labelled, found.good) == (len(of_tier), sum(score > 0 for score in of_tier))
    told = [r for r in labelled if r["gate"]["verdict"] != "bypass" and not r["gate"]["escalated_to"]]
    assert sum(found.labelled for found in report.confidence) == len(told)
    simple = [r for r in labelled if r["tier"] == "simple" and not naive.is_hit(r) and not r["gate"]["escalated_to"]]
    assert sum(found.labelled for found in report.scores) == len(simple)
    for found in [*report.confidence, *report.scores]:
        if found.labelled:
            assert found.interval is not None
            assert found.interval[0] <= (found.good_share or 0.0) <= found.interval[1]
    hits = [scores[r["request_id"]] for r in labelled if naive.is_hit(r)]
    assert (report.cache.labelled, report.cache.labelled_wrong) == (len(hits), sum(score < 0 for score in hits))
    assert report.projection.month_requests is not None
    assert report.projection.month_requests == pytest.approx(count * 365.25 / 12 / 30, rel=0.001)
    assert report.break_even.reached
    page = Page(as_html(report))
    assert {"svg", "rect", "polyline", "circle"} <= page.tags
    assert set(report.latency_ms.stages) == {"rules", "classify", "decide", "cache"}


def test_many_names_are_a_line_together_and_nothing_is_lost() -> None:
    count = LISTED + 7
    records = [made(n, tenant=Tenant(end_user=f"u{n:03}"), cost=CostFields(total=float(n))) for n in range(count)]
    with stored(*records) as store:
        lines = report_on(store).by["end_user"]
    assert (len(lines), lines[0].name, lines[-1].name, lines[-1].id) == (
        LISTED + 1,
        f"u{count - 1:03}",
        "(others)",
        None,
    )
    assert sum(line.cost for line in lines) == sum(range(count))
    assert sum(line.requests for line in lines) == count


def test_a_name_that_pretends_to_be_the_others_is_a_line_of_its_own() -> None:
    with stored(made(1, tenant=Tenant(end_user="(others)"))) as store:
        (line,) = report_on(store).by["end_user"]
    assert (line.name, line.id) == ("(others)", "(others)")


def test_nothing_at_all_is_a_report_too() -> None:
    with stored() as store:
        report = report_on(store, 10.0)
    assert (report.requests, report.cost.saved_share, report.cost.shuffled, report.over_time) == (0, None, None, [])
    assert report.projection.month_requests is None
    assert not report.break_even.reached
    assert "No request was made" in as_text(report)
    assert "No request was made" in as_html(report)


def test_few_labels_are_called_too_few() -> None:
    records = [made(n, tier="simple", outcome=OutcomeFields("ok", feedback=1.0)) for n in range(5)]
    with stored(*records) as store:
        report = report_on(store)
    assert report.quality.by_tier["simple"].good_share == 1.0
    (line,) = [line for line in as_text(report).splitlines() if line.startswith("simple ")]
    assert "too few (5 of 5)" in line


def test_steps_follow_the_length_of_the_period_and_hold_empty_ones() -> None:
    start = datetime(2026, 11, 10, tzinfo=UTC)
    times = [start + timedelta(minutes=m) for m in (3, 4, 75)]
    records = [made(n, time=time.isoformat()) for n, time in enumerate(times)]
    with stored(*records) as store:
        assert {step.start for step in report_on(store).over_time} == {start}, "six hours in a month"
    assert len(run_over(records, Period(start, start + timedelta(hours=2)))) == 73


def run_over(records: list[DecisionRecord], period: Period) -> list[Any]:
    from custom_router.reports.breakdown import over_time, step_seconds

    with stored(*records) as store:
        steps = over_time(store, step_seconds(period))
    assert [step.requests for step in steps if step.requests] == [1, 1, 1]
    return steps


def test_the_page_states_the_limits() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "reports.md").read_text(encoding="utf-8")
    for said in (
        f"The {LISTED} dearest of each",
        f"{LINES_SHOWN} on a terminal",
        f"fewer than {FEW} are",
        f"over {MONTH_DAYS:.1f} days",
        f"may use {MEMORY.removesuffix('MB')} MB",
    ):
        assert said in page, said
