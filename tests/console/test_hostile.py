"""Prompts that hold markup and scripts stay text, wherever they are shown."""

from __future__ import annotations

import json
import re

from playwright.sync_api import expect

from tests.console.conftest import Tab
from tests.console.console_stack import HOSTILE, Console
from tests.e2e.conftest import wait_until

# Made by markup; nothing that the console itself draws is among them.
_MADE = (
    "main :is(script, iframe, img, object, embed, a[href^='javascript'], [onerror], [onload], [srcdoc], [style*='url'])"
)


def test_a_hostile_prompt_is_shown_as_text_and_never_runs(tab: Tab, console: Console) -> None:
    tab.allowed.append("/router/api/decisions/")
    tab.open()
    for prompt in HOSTILE:
        tab.show("live")
        tab.page.get_by_label("Contains").fill(prompt[:60])
        expect(tab.page).to_have_url(re.compile(r"\?q="))
        tab.settled()
        row = tab.page.locator("table.live tbody tr").first
        expect(row).to_be_visible()
        row.get_by_role("button").click()
        receipt = tab.page.get_by_role("dialog")
        expect(receipt.locator("pre.text")).to_have_text(prompt)
        expect(tab.page.locator(f"dialog {_MADE.removeprefix('main ')}")).to_have_count(0)
        tab.page.keyboard.press("Escape")
        tab.page.get_by_role("button", name="Clear filters").click()
    tab.show("playground")
    for prompt in HOSTILE:
        tab.page.get_by_role("textbox", name="Prompt").fill(prompt)
        tab.page.get_by_role("button", name="See its path").click()
        expect(tab.page.get_by_role("heading", name="Its path")).to_be_visible()
        tab.page.get_by_role("button", name="Send it").click()
        expect(tab.page.locator("pre.text")).to_have_text(prompt)
        expect(tab.page.locator(_MADE)).to_have_count(0)
    tab.check()


def test_hostile_questions_in_the_cache_and_names_in_the_report_stay_text(tab: Tab, console: Console) -> None:
    pair = {"question": HOSTILE[0], "answer": HOSTILE[1]}
    kept = console.proxy.http.post("/router/cache/warm", json={"pairs": [pair], "team": HOSTILE[1][:40]})
    assert kept.raise_for_status().json()["kept"] == 1
    record = {**console.proxy.records()[0], "request_id": "hostile-0"}
    record["tenant"] = {**record["tenant"], "team": HOSTILE[1], "team_alias": HOSTILE[1], "key_alias": HOSTILE[2]}
    record |= {"causes": [HOSTILE[0]], "deployment": HOSTILE[1], "domain": {**record["domain"], "name": HOSTILE[2]}}
    segment = console.proxy.stack.records / "hostile.jsonl"
    segment.write_text(json.dumps(record) + "\n", encoding="utf-8")
    try:
        wait_until(lambda: any(made["request_id"] == "hostile-0" for made in console.proxy.records()))
        tab.open()
        tab.show("cache")
        tab.page.get_by_label("show questions and answers").check()
        expect(tab.page.get_by_text(HOSTILE[0]).first).to_be_visible()
        expect(tab.page.locator(_MADE)).to_have_count(0)
        tab.show("live")
        tab.page.get_by_label("Team").fill(HOSTILE[1])
        expect(tab.page.locator("tr[data-id=hostile-0]")).to_contain_text(HOSTILE[0].replace("_", " "))
        tab.show("live/hostile-0")
        expect(tab.page.get_by_role("dialog")).to_contain_text(HOSTILE[1])
        expect(tab.page.locator(f"dialog {_MADE.removeprefix('main ')}")).to_have_count(0)
        tab.page.keyboard.press("Escape")
        tab.show("overview")
        expect(tab.page.locator(_MADE)).to_have_count(0)
        tab.check()
    finally:
        segment.unlink()


def test_an_address_that_names_markup_opens_nothing(tab: Tab) -> None:
    tab.allowed.append("/router/api/decisions/")
    tab.open()
    for name in (
        "<img src=x onerror=alert(1)>",
        "javascript:alert(1)",
        "live?q=<script>alert(1)</script>",
        "live/../../x",
        "%E0%A4%A",
    ):
        tab.show(name)
        expect(tab.page.locator(_MADE)).to_have_count(0)
        for dialog in tab.page.get_by_role("dialog").all():
            dialog.press("Escape")
    tab.check()
