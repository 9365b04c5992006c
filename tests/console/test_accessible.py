"""axe-core finds nothing on any page, light and dark, on a laptop and a phone."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.console.conftest import AXE, Tab
from tests.console.test_pages import PAGES

_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_RUN = "rules => axe.run(document, {runOnly: rules, resultTypes: ['violations'], preload: false})"


@pytest.fixture(autouse=True)
def axe() -> None:
    if not AXE.exists():
        pytest.skip(f"axe-core is not in {AXE.parent}: npm install --prefix var/axe axe-core@4.14.1")


def _violations(tab: Tab) -> list[tuple[str, str, list[Any]]]:
    # By the debugger and not by an element: the page's own policy lets no foreign script in.
    if not tab.page.evaluate("'axe' in window"):
        tab.page.evaluate(f"() => {{ {AXE.read_text(encoding='utf-8')} }}")
    found = tab.page.evaluate(_RUN, _RULES)["violations"]
    return [(each["id"], each["help"], [node["html"][:160] for node in each["nodes"][:4]]) for each in found]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_accessible(tab: Tab, theme: str) -> None:
    tab.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    tab.page.goto(tab.console.url)
    expect(tab.page.get_by_label("LiteLLM key")).to_be_visible()
    found = {"door": _violations(tab)}
    tab.open()
    for name in PAGES:
        tab.show(name)
        found[name] = _violations(tab)
    tab.show("live")
    tab.page.locator("table.live tbody tr button").first.click()
    expect(tab.page.get_by_role("heading", name="Where the time went")).to_be_visible()
    found["receipt"] = _violations(tab)
    tab.page.keyboard.press("Escape")
    tab.show("policy")
    tab.page.get_by_role("button", name="Try an edit").click()
    tab.page.get_by_label("Change it here").fill("mode: everywhere\n")
    tab.page.get_by_role("button", name="See what it would do").click()
    expect(tab.page.locator(".findings li").first).to_be_visible()
    found["edit"] = _violations(tab)
    tab.show("playground")
    tab.page.get_by_role("textbox", name="Prompt").fill("Can I sue my landlord?")
    tab.page.get_by_role("button", name="See its path").click()
    expect(tab.page.get_by_role("heading", name="Its path")).to_be_visible()
    found["path"] = _violations(tab)
    assert {name: seen for name, seen in found.items() if seen} == {}


def test_a_phone_is_accessible(phone: Tab) -> None:
    phone.open()
    found = {}
    for name in PAGES:
        phone.show(name)
        found[name] = _violations(phone)
    assert {name: seen for name, seen in found.items() if seen} == {}
