"""The console in a real Chromium, in front of the real proxy."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.console.console_stack import Console, console_stack

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "var" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
PATIENCE_MS = 30_000

# Whatever would run out of a prompt shows itself here, and so does what the content security policy stops.
_WATCH = """
window.broken = [];
for (const name of ['alert', 'confirm', 'prompt']) window[name] = (...given) => window.broken.push(`${name}: ${given}`);
document.addEventListener('securitypolicyviolation', (event) =>
  window.broken.push(`${event.violatedDirective}: ${event.blockedURI}`));
"""


@dataclass
class Tab:
    """A tab of the browser, and what went wrong in it."""

    page: Any
    console: Console
    errors: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)
    """Parts of errors that the test brings about."""

    def open(self, key: str | None = None) -> None:
        """Open the console with a key, the administrator's where none is given."""
        self.page.goto(self.console.url)
        self.enter(key or self.console.key)
        self.page.wait_for_selector("nav[aria-label=Pages]")

    def enter(self, key: str) -> None:
        """Give a key at the door."""
        self.page.get_by_label("LiteLLM key").fill(key)
        self.page.get_by_role("button", name="Open the console").click()

    def show(self, name: str) -> None:
        """Go to a page and wait for its data."""
        self.page.evaluate("name => { location.hash = `#/${name}` }", name)
        self.settled()

    def settled(self) -> None:
        """Wait until nothing is loading any more."""
        self.page.wait_for_selector("main h1")
        self.page.locator(".loading, [aria-busy]").first.wait_for(state="detached")
        self.page.locator("figure.chart > svg:not([viewBox])").first.wait_for(state="detached")

    def check(self) -> None:
        """Nothing has gone wrong in the tab."""
        seen = [error for error in self.errors if not any(part in error for part in self.allowed)]
        assert not seen, seen
        broken = self.page.evaluate("window.broken")
        assert broken == [], broken


@pytest.fixture(scope="session")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """One stack for all tests of the console."""
    _browser_or_skip()
    with console_stack(tmp_path_factory.mktemp("console")) as running:
        yield running


# One for each module: while Playwright runs, its event loop stands in the way of tests that bring their own.
@pytest.fixture(scope="module")
def browser(console: Console) -> Iterator[Any]:
    sync_api, chromium = _browser_or_skip()
    with sync_api.sync_playwright() as playwright:
        sync_api.expect.set_options(timeout=PATIENCE_MS)
        launched = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def tab(console: Console, browser: Any) -> Iterator[Tab]:
    """An empty tab of a laptop's size. At the end nothing may have gone wrong in it."""
    yield from _tab(console, browser, viewport={"width": 1280, "height": 860})


@pytest.fixture
def phone(console: Console, browser: Any) -> Iterator[Tab]:
    """The same of a phone's size."""
    yield from _tab(console, browser, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)


def _tab(console: Console, browser: Any, **options: Any) -> Iterator[Tab]:
    context = browser.new_context(**options)
    context.set_default_timeout(PATIENCE_MS)
    context.add_init_script(_WATCH)
    tab = Tab(context.new_page(), console)
    tab.page.on("pageerror", lambda error: tab.errors.append(f"page: {error}"))
    tab.page.on("dialog", lambda dialog: (tab.errors.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    tab.page.on(
        "console",
        lambda said: said.type == "error" and tab.errors.append(f"console: {said.text} {said.location.get('url')}"),
    )
    try:
        yield tab
        tab.check()
    finally:
        context.close()


def _browser_or_skip() -> tuple[Any, str]:
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="the console's tests need playwright: pip install playwright"
    )
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("the console's tests need a Chromium: apt-get install chromium")
    return sync_api, chromium
