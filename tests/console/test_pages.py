"""Every page shows the real proxy's data, on a laptop and a phone, by keyboard too."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from playwright.sync_api import Route, expect

from tests.console.conftest import Tab
from tests.console.console_stack import Console
from tests.e2e.conftest import wait_until

SHOWN = {
    "overview": ("What did I save?", "Where did requests go?", "What should I change?", "Is it well?"),
    "live": ("Live decisions",),
    "playground": ("Playground",),
    "policy": ("routing_policy.yaml",),
    "cache": ("Entries", "Why not from the cache?"),
    "classifier": ("The gate's confidence", "Has traffic moved?", "The gate's calibration"),
    "experiments": ("Experiments",),
}  # fmt: skip
PAGES = tuple(SHOWN)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_loads_with_real_data(tab: Tab, name: str) -> None:
    tab.open()
    tab.show(name)
    for heading in SHOWN[name]:
        expect(tab.page.get_by_role("heading", name=re.compile(re.escape(heading))).first).to_be_visible()
    expect(tab.page.locator("main [role=alert]")).to_have_count(0)
    assert tab.page.locator("nav a[aria-current=page]").get_attribute("href") == f"#/{name}"


def test_the_overview_says_what_the_report_says(tab: Tab, console: Console) -> None:
    tab.open()
    tab.show("overview")
    report = console.proxy.http.get("/router/api/overview", params={"since": "1h"}).raise_for_status().json()
    share = tab.page.locator("section", has=tab.page.get_by_role("heading", name="Saved", exact=True)).first
    expect(share).to_contain_text(f"{round(report['cost']['saved_share'] * 100)} %")
    table = tab.page.get_by_role("group", name="Causes by number of requests")
    for cause, count in sorted(report["causes"].items(), key=lambda item: -item[1])[:3]:
        row = table.locator("tr", has=tab.page.get_by_role("rowheader", name=cause.replace("_", " "), exact=True))
        expect(row).to_contain_text(str(count))


def test_a_report_that_is_old_is_shown_with_its_age(tab: Tab) -> None:
    def older(route: Route) -> None:
        response = route.fetch()
        made = datetime.now(UTC) - timedelta(minutes=42)
        route.fulfill(response=response, json={**response.json(), "generated_at": made.isoformat()})

    tab.page.route(re.compile("/api/(overview|classifier)"), older)
    tab.open()
    for name in ("overview", "cache", "classifier"):
        tab.show(name)
        expect(tab.page.get_by_text("These figures are 42 min old").first).to_be_visible()
        tab.page.get_by_role("group", name="Span of time").get_by_role("button", name="Hour").click()
        tab.settled()
        expect(tab.page.get_by_text("These figures are 42 min old").first).to_be_visible()


def test_a_hint_leads_to_the_requests_it_is_about(tab: Tab) -> None:
    tab.open()
    tab.show("overview")
    tab.page.get_by_role("group", name="Causes by number of requests").get_by_role("link", name="domain rule").click()
    tab.settled()
    assert tab.page.url.endswith("#/live?cause=domain_rule")
    expect(tab.page.locator("table.live tbody tr").first).to_contain_text("domain rule")


def test_filters_and_receipts(tab: Tab, console: Console) -> None:
    records = console.proxy.settled()
    hits = [record for record in records if record["cache"]["status"] == "hit"]
    tab.open()
    tab.show("live")
    rows = tab.page.locator("table.live tbody tr")
    tab.page.get_by_label("Cache", exact=True).select_option("hit")
    expect(rows).to_have_count(len(hits))
    tab.page.get_by_role("button", name="Clear filters").click()
    tab.page.get_by_label("Escalated").select_option("true")
    expect(rows.first).to_contain_text("escalated")
    tab.page.get_by_label("Escalated").select_option("")
    tab.page.get_by_label("Contains").fill("no record holds this")
    expect(tab.page.get_by_text("No requests match")).to_be_visible()
    tab.page.get_by_label("Contains").fill("An unsure one?")
    expect(rows).to_have_count(1)
    rows.get_by_role("button").focus()
    tab.page.keyboard.press("Enter")
    receipt = tab.page.get_by_role("dialog")
    for part in (
        "Why there",
        "gate_low_confidence",
        "What it cost",
        "Confidence gate",
        "Where the time went",
        "found wanting",
    ):
        expect(receipt.get_by_text(part).first).to_be_visible()
    tab.page.keyboard.press("Escape")
    expect(receipt).to_have_count(0)
    expect(rows.get_by_role("button")).to_be_focused()


def test_a_row_leads_to_its_receipt_however_deep_it_lies(tab: Tab, console: Console) -> None:
    """The look-up is told the row's time; where it stops early, the row's own record is shown, and not called gone."""
    asked: list[str] = []
    stopped = {"detail": "no such request in what was looked through", "complete": False}

    def stop(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=404, content_type="application/json", body=json.dumps(stopped))

    tab.page.route(re.compile(r"/decisions/[0-9a-f]{32}"), stop)
    tab.allowed.append("/decisions/")
    tab.open()
    tab.show("live")
    tab.page.get_by_label("Contains").fill("An unsure one?")
    rows = tab.page.locator("table.live tbody tr")
    expect(rows).to_have_count(1)
    rows.get_by_role("button").click()
    receipt = tab.page.get_by_role("dialog")
    for part in ("no such request in what was looked through", "What it cost", "gate_low_confidence"):
        expect(receipt.get_by_text(part).first).to_be_visible()
    expect(receipt.get_by_text("are gone")).to_have_count(0)
    assert re.search(r"[?]time=20\d\d-", asked[0])


def test_new_decisions_appear_and_can_be_held(tab: Tab, console: Console) -> None:
    tab.open()
    tab.show("live")
    rows = tab.page.locator("table.live tbody tr")
    expect(tab.page.locator(".live-state")).to_contain_text("Live")
    first = _ask(console, "Name a river, please.")
    expect(tab.page.locator(f'tr[data-id="{first}"]')).to_be_visible()
    tab.page.get_by_role("button", name="Paused").click()
    held = rows.first.get_attribute("data-id")
    second = _ask(console, "Name another river, please.")
    expect(tab.page.locator(".live-state")).to_contain_text("1 new")
    assert rows.first.get_attribute("data-id") == held
    tab.page.get_by_role("button", name="Live", exact=True).click()
    expect(tab.page.locator(f'tr[data-id="{second}"]')).to_be_visible()


def test_decisions_appear_where_the_stream_is_refused(tab: Tab, console: Console) -> None:
    refusal = {"status": 503, "content_type": "application/json", "body": '{"detail": "too many streams are open"}'}
    tab.page.route("**/decisions/stream*", lambda route: route.fulfill(**refusal))
    tab.allowed.append("/decisions/stream")
    tab.open()
    tab.show("live")
    expect(tab.page.locator(".live-state")).to_contain_text("too many streams are open")
    asked = _ask(console, "Name a third river, please.")
    expect(tab.page.locator(f'tr[data-id="{asked}"]')).to_be_visible()


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
def test_playground_shows_the_path_then_the_answer_and_its_receipt(tab: Tab, console: Console, streamed: bool) -> None:
    tab.allowed.append("/router/api/decisions/")  # asked for until it is written
    before = len(console.proxy.settled())
    tab.open()
    tab.show("playground")
    tab.page.get_by_role("textbox", name="Prompt").fill("May my employer read my private mail?")
    tab.page.get_by_role("button", name="See its path").click()
    for heading in ("Its path", "What it would cost", "What would change it", "Most alike among the shipped examples"):
        expect(tab.page.get_by_role("heading", name=heading)).to_be_visible()
    assert len(console.proxy.settled()) == before
    tab.page.get_by_role("textbox", name="Prompt").fill("A sure one?")
    tab.page.get_by_label("stream the answer").set_checked(streamed)
    tab.page.get_by_label("pass the cache by").check()
    tab.page.get_by_role("button", name="Send it").click()
    expect(tab.page.locator("[data-answer]")).to_contain_text("Paris is the capital of France.")
    expect(tab.page.get_by_role("heading", name="Where the time went")).to_be_visible()
    assert len(console.proxy.settled()) == before + 1


def test_a_bad_policy_is_refused_with_its_lines_and_a_good_one_is_tried(tab: Tab, console: Console) -> None:
    in_force = console.proxy.health()["policy"]["version"]
    tab.open()
    tab.show("policy")
    tab.page.get_by_role("button", name="Try an edit").click()
    area = tab.page.get_by_label("Change it here")
    text = area.input_value()
    area.fill("version: 1\nmode: everywhere\ntiers: {simple: {model: tier-simple, threshold: 7}}\n")
    tab.page.get_by_role("button", name="See what it would do").click()
    expect(tab.page.get_by_role("heading", name=re.compile("Refused"))).to_be_visible()
    tab.page.get_by_role("button", name=re.compile("line 2")).click()
    chosen = tab.page.evaluate(
        "() => { const a = document.activeElement; return a.value.slice(a.selectionStart, a.selectionEnd); }"
    )
    assert chosen == "mode: everywhere"
    area.fill(text.replace("domains:", "default_tier: frontier\ndomains:") if "default_tier" not in text else text)
    tab.page.get_by_role("button", name="See what it would do").click()
    expect(tab.page.get_by_text("requests tried")).to_be_visible()
    assert console.proxy.health()["policy"]["version"] == in_force
    tab.page.get_by_role("button", name="History").click()
    tab.settled()
    expect(tab.page.get_by_role("group", name=re.compile("Versions"))).to_contain_text(in_force)


def test_an_entry_is_dropped_once_that_is_confirmed(tab: Tab, console: Console) -> None:
    console.proxy.send("chat", "How do I boil an egg?")
    wait_until(lambda: console.proxy.stored() > 1)
    before = console.proxy.stored()
    tab.open()
    tab.show("cache")
    tab.page.get_by_label("show questions and answers").check()
    tab.settled()
    drop = tab.page.get_by_role("button", name=re.compile("^Drop entry")).first
    drop.click()
    tab.page.get_by_role("button", name="Cancel").click()
    assert console.proxy.stored() == before
    drop.click()
    tab.page.get_by_role("dialog").get_by_role("button", name="Drop", exact=True).click()
    expect(tab.page.get_by_text("1 entry dropped.")).to_be_visible()
    assert console.proxy.stored() == before - 1


def test_the_keyboard_alone_is_enough(tab: Tab) -> None:
    tab.open()
    tab.show("overview")
    tab.page.reload()
    tab.settled()
    tab.page.keyboard.press("Tab")
    expect(tab.page.get_by_role("link", name="Skip to content")).to_be_focused()
    tab.page.keyboard.press("Enter")
    expect(tab.page.locator("main")).to_be_focused()
    assert tab.page.url.endswith("#/overview")
    tab.page.get_by_role("link", name="Cache", exact=True).focus()
    tab.page.keyboard.press("Enter")
    expect(tab.page.get_by_role("heading", name="Cache", level=1)).to_be_focused()


def test_a_phone_shows_every_page_without_scrolling_sideways(phone: Tab) -> None:
    phone.open()
    for name in PAGES:
        phone.show(name)
        wide = phone.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 390, (name, wide)


def test_the_theme_follows_the_system_and_can_be_switched(tab: Tab) -> None:
    tab.page.emulate_media(color_scheme="dark")
    tab.open()
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = tab.page.evaluate(ground)
    tab.page.get_by_role("button", name="Switch between light and dark").click()
    light = tab.page.evaluate(ground)
    assert dark != light
    tab.page.reload()
    tab.page.wait_for_selector("nav[aria-label=Pages]")
    assert tab.page.evaluate(ground) == light


def _ask(console: Console, prompt: str) -> str:
    answered: httpx.Response = console.proxy.send("chat", prompt)
    assert answered.status_code == 200, answered.text
    return answered.headers["x-router-request-id"]
