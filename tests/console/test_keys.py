"""Who sees what, by real virtual keys; keys that the proxy does not take."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import expect

from tests.console.conftest import Tab
from tests.console.console_stack import Console
from tests.e2e.conftest import wait_until


@pytest.fixture
def keyed(console: Console) -> Console:
    if not console.has_keys:
        pytest.skip("real virtual keys need Postgres, node and npm: apt-get install postgresql nodejs npm")
    return console


def test_a_wrong_key_is_refused_and_not_kept(tab: Tab) -> None:
    tab.allowed.append("/router/api/whoami")
    tab.page.goto(tab.console.url)
    tab.enter("sk-wrong")
    expect(tab.page.get_by_role("alert")).to_contain_text("does not take this key")
    assert tab.page.evaluate("sessionStorage.length") == 0
    tab.enter("no key, a sentence – in words")
    expect(tab.page.get_by_role("alert")).to_contain_text("That is no key")
    tab.enter(tab.console.key)
    expect(tab.page.get_by_role("navigation", name="Pages")).to_be_visible()


def test_the_key_stays_in_the_tab(tab: Tab) -> None:
    tab.open()
    tab.show("overview")
    key = tab.console.key
    assert key not in tab.page.url
    assert tab.page.evaluate("JSON.stringify({...localStorage})").find(key) == -1
    assert tab.page.context.cookies() == []
    other = tab.page.context.new_page()
    other.goto(tab.console.url)
    expect(other.get_by_label("LiteLLM key")).to_be_visible()
    tab.page.get_by_role("button", name="Forget the key").click()
    expect(tab.page.get_by_label("LiteLLM key")).to_be_visible()
    assert tab.page.evaluate("sessionStorage.length") == 0


def test_a_team_key_sees_its_team_only_and_no_dead_pages(tab: Tab, keyed: Console) -> None:
    team = str(keyed.made("/team/new", team_alias="harbour", models=["auto"])["team_id"])
    ours = keyed.virtual_key(key_alias="crane", team_id=team)
    theirs = keyed.virtual_key(key_alias="stranger")
    mine = keyed.ask_as(ours, "Name a harbour.")
    hidden = keyed.ask_as(theirs, "Name a stranger thing.")
    tab.open(ours)
    links = tab.page.get_by_role("navigation", name="Pages").get_by_role("link")
    expect(links).to_have_text(["Requests", "Playground"])
    tab.settled()
    rows = tab.page.locator("table.live tbody tr")
    expect(rows).to_have_count(1)
    assert rows.first.get_attribute("data-id") == mine
    tab.show("overview")  # not theirs: they land on what is
    expect(tab.page.get_by_role("heading", level=1)).to_have_text("Live decisions")
    tab.allowed.append("/router/api/decisions/")
    tab.show(f"live/{hidden}")
    expect(tab.page.get_by_role("dialog")).to_contain_text("No such request, or not yours to see")
    tab.page.keyboard.press("Escape")
    tab.show("playground")
    tab.page.get_by_role("textbox", name="Prompt").fill("Name a boat.")
    tab.page.get_by_role("button", name="See its path").click()
    expect(tab.page.get_by_role("heading", name="Its path")).to_be_visible()
    tab.page.get_by_role("button", name="Send it").click()
    expect(tab.page.get_by_role("heading", name="Where the time went")).to_be_visible()


def test_a_key_that_has_expired_is_asked_for_again(tab: Tab, keyed: Console) -> None:
    short = keyed.virtual_key(key_alias="brief", duration="1s")
    url = f"{keyed.proxy.stack.url}/router/api/whoami"
    wait_until(lambda: httpx.get(url, headers={"Authorization": f"Bearer {short}"}).status_code != 200)
    tab.allowed.append("/router/api/whoami")
    tab.page.goto(keyed.url)
    tab.enter(short)
    expect(tab.page.get_by_role("alert")).to_contain_text("wrong, expired or blocked")


def test_a_key_that_is_deleted_while_the_console_is_open_leads_back_to_the_door(tab: Tab, keyed: Console) -> None:
    key = keyed.virtual_key(key_alias="gone")
    tab.open(key)
    tab.settled()
    keyed.made("/key/delete", keys=[key])
    url = f"{keyed.proxy.stack.url}/router/api/whoami"
    wait_until(lambda: httpx.get(url, headers={"Authorization": f"Bearer {key}"}).status_code != 200)
    tab.allowed += ["/router/", "status of 401"]
    tab.page.get_by_role("link", name="Playground").click()
    tab.page.get_by_role("textbox", name="Prompt").fill("Anything?")
    tab.page.get_by_role("button", name="See its path").click()
    expect(tab.page.get_by_role("alert")).to_contain_text("no longer accepted")
    assert tab.page.evaluate("sessionStorage.length") == 0
