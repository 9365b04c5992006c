"""Sums by team, key and end user, and the three forms in which they are written."""

from __future__ import annotations

import csv
import io
from html.parser import HTMLParser
from typing import Any

import pytest

from custom_router.records.record import (
    CacheFields,
    CostFields,
    DecisionRecord,
    GateFields,
    OutcomeFields,
    Tenant,
    TokenFields,
)
from custom_router.reports.bill import Bill, Payer, make_bill
from custom_router.reports.bill_text import as_csv, as_html, as_table
from tests.reports.lines import made, stored

RED = {"team": "t1", "team_alias": "red"}
EVIL = '=HYPERLINK("http://x")<script>alert(1)</script>'


def request(number: int = 0, cost: float | None = 0.01, saved: float | None = 0.03, **changes: Any) -> DecisionRecord:
    tenant = Tenant(**{**RED, "key_alias": "bot", "key_hash": "h" * 64, **changes.pop("tenant", {})})
    fields = {"cost": CostFields(total=cost, saved=saved), "tokens": TokenFields(10, 5), "tier": "simple", **changes}
    return made(number, tenant=tenant, **fields)


def billed(*records: DecisionRecord, team: str | None = None) -> Bill:
    with stored(*records) as store:
        return make_bill(store, team)


def mixed() -> Bill:
    nobody = {"team": None, "team_alias": None}
    return billed(
        request(tier="frontier", gate=GateFields(escalated_to="frontier"), cost=0.05, saved=-0.01),
        request(tenant={"end_user": "kim"}),
        request(tenant={"end_user": "kim"}, cache=CacheFields("hit"), cost=0.0, saved=0.04),
        request(tenant={"key_alias": "two", "key_hash": "g" * 64}, cost=None, saved=None),
        request(tenant={"end_user": EVIL, **nobody}, cost=0.5),
        request(tenant=nobody, outcome=OutcomeFields("error", "Timeout"), cost=None, saved=None),
    )


def test_teams_keys_and_end_users_add_up_to_the_whole() -> None:
    bill = mixed()
    whole = bill.total()
    assert (whole.requests, whole.failed, whole.hits, whole.escalated, whole.unpriced) == (6, 1, 1, 1, 1)
    assert whole.cost == pytest.approx(0.05 + 0.01 + 0.5)
    assert whole.saved == pytest.approx(-0.01 + 0.03 + 0.04 + 0.03)
    assert whole.tiers == {"simple": 4, "medium": 0, "frontier": 1}, "a hit is nobody's answer"
    for lines in (bill.by_team(), bill.by_key(), bill.lines):
        assert sum(sums.cost for sums in lines.values()) == pytest.approx(whole.cost)
        assert sum(sums.requests for sums in lines.values()) == 6
    assert [bill.team_name(payer) for payer in bill.by_team()] == ["(no team)", "red"], "the dearest first"
    assert {payer.end_user: sums.requests for payer, sums in bill.by_end_user().items()} == {"kim": 2, EVIL: 1}


def test_costs_of_the_routers_own_are_told() -> None:
    cost = CostFields(total=0.06, first_attempt=0.01, escalation=0.04, classifier=0.01, saved=0.02)
    whole = billed(request(cost=None, saved=None), made(cost=cost)).total()
    assert (whole.overhead, whole.escalation, whole.saved) == (0.01, 0.04, 0.02)


@pytest.mark.parametrize("name", ["t1", "red"])
def test_one_team_by_id_or_alias(name: str) -> None:
    other = request(tenant={"team": "t2", "team_alias": "blue"})
    assert billed(request(), other, request(tenant={"team": None, "team_alias": None}), team=name).total().requests == 1


def test_an_alias_given_again_does_not_mix_two_keys() -> None:
    bill = billed(request(), request(tenant={"key_hash": "other"}))
    assert len(bill.by_key()) == 2
    renamed = billed(request(tenant={"team_alias": "crimson"}, time="2026-11-11T00:00:00+00:00"), request())
    (payer,) = renamed.by_team()
    assert renamed.team_name(payer) == "crimson"


def test_a_key_without_an_alias_shows_no_more_than_its_hash_begins_with() -> None:
    bill = billed(request(tenant={"key_alias": None}))
    assert bill.key_name(Payer("t1", "h" * 64)) == "h" * 8


def test_the_table_shows_money_mix_and_rates() -> None:
    text = as_table(mixed(), "November", ["half of it is missing"])
    assert "November" in text
    assert "note: half of it is missing" in text
    (line,) = [line for line in text.splitlines() if line.startswith("red ")]
    assert line.split() == ["red", "4", *["0.0600"] * 2, "67", "%", "0", "%", "33", "%", "25", "%", "25", "%", "0"]
    assert "\x1b" not in as_table(billed(request(tenant={"end_user": "\x1b[2J"})), "t", [])


def test_the_csv_adds_up_and_holds_no_formula() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(mixed()))))
    assert sum(float(row["cost_usd"]) for row in rows) == pytest.approx(0.56)
    assert sum(int(row["requests"]) for row in rows) == 6
    assert {row["team"] for row in rows} == {"red", ""}
    (evil,) = [row for row in rows if "HYPERLINK" in row["end_user"]]
    assert evil["end_user"].startswith("'=")


class Page(HTMLParser):
    """Tags and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.said = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        assert not {name for name, _ in attrs} & {"src", "href", "onclick"}

    def handle_data(self, data: str) -> None:
        self.said += data


def test_the_page_needs_nothing_and_runs_nothing() -> None:
    page = Page(as_html(mixed(), "November <b>", [EVIL]))
    structure = {"html", "meta", "title", "style", "h1", "div", "table", "thead", "tbody", "tr", "th", "td", "ul", "li"}
    assert page.tags == structure
    assert EVIL in page.said
    assert "November <b>" in page.said
    assert "0.0600" in page.said


def test_a_bill_of_nothing() -> None:
    bill = billed()
    assert as_csv(bill).count("\n") == 1
    assert "everything" in as_table(bill, "t", [])
    assert "everything" in as_html(bill, "t", [])
