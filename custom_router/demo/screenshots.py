"""`scripts/screenshots`: the console's pages with the demo's traffic, photographed for the docs."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import httpx
import typer
import yaml

from custom_router.bundle import CONFIG, POLICY, bundle_root
from custom_router.demo.stack import Stack
from custom_router.demo.traffic import Answer, Application, DemoPrompt, demo_prompts

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROUNDS = 3
BETWEEN_S = 20.0
LAPTOP = (1280, 860)
PHONE = (390, 844)
PROMPT = "Can my landlord keep the deposit because of a scratch?"

app = typer.Typer(add_completion=False)


@app.command()
def screenshots(
    folder: Annotated[Path, typer.Option(help="Where the pictures go.")] = Path("docs/images"),
    chromium: Annotated[str | None, typer.Option(help="The browser.", show_default="the one on the path")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often the demo's prompts are sent.")] = ROUNDS,
) -> None:
    """Photograph the console: every page in light, two in dark, two on a phone."""
    browser = chromium or shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        typer.echo("screenshots need a Chromium: apt-get install chromium", err=True)
        raise typer.Exit(1)
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as work,
        Stack(bundle_root() / CONFIG, _policy(Path(work)), Path(work), latency_scale=0.5) as stack,
    ):
        asyncio.run(_send(stack, rounds))
        _photograph(stack, browser, folder)
    typer.echo(f"{sum(path.stat().st_size for path in folder.glob('console-*.png')):,} bytes in {folder}")


def _policy(work: Path) -> Path:
    """The shipped policy, except that receipts show the prompt: the demo's are nobody's secret."""
    text = (bundle_root() / POLICY).read_text(encoding="utf-8")
    document = yaml.safe_load(text)
    document["records"]["log_text"] = "full"
    changed = text.replace('log_text: "off"', "log_text: full")
    if yaml.safe_load(changed) != document:
        raise RuntimeError("the shipped policy's log_text is not where it was")
    path = work / POLICY
    path.write_text(changed, encoding="utf-8")
    return path


async def _send(stack: Stack, rounds: int) -> None:
    """The demo's prompts again and again, reworded so that the cache does not answer all of them, with feedback."""
    application = Application(stack.url, stack.master_key)
    headers = {"Authorization": f"Bearer {stack.master_key}"}
    async with httpx.AsyncClient(base_url=stack.url, headers=headers, trust_env=False) as http:
        for turn in range(rounds):
            if turn:
                await asyncio.sleep(BETWEEN_S)
            for number, prompt in enumerate(demo_prompts()):
                asked = prompt if (number + turn) % 3 == 0 else _reworded(prompt, turn)
                await _judge(http, await application.ask(asked), number)
    await application.close()


def _reworded(prompt: DemoPrompt, turn: int) -> DemoPrompt:
    ending = ("", " Keep it brief.", " Be thorough.", " Give one example.")[turn % 4]
    return DemoPrompt(prompt.prompt + ending, prompt.form, prompt.before)


async def _judge(http: httpx.AsyncClient, answer: Answer, number: int) -> None:
    request_id = answer.router("request-id")
    if request_id and answer.router("cache") != "hit":
        # Nobody has read the simulated answers: the labels only show what labels look like.
        given = {"request_id": request_id, "label": "bad" if number % 9 == 4 else "good"}
        await http.post("/router/feedback", json=given)


def _photograph(stack: Stack, chromium: str, folder: Path) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for suffix, viewport, names in (
            ("", LAPTOP, tuple(_VIEWS)),
            ("-dark", LAPTOP, ("overview", "receipt")),
            ("-phone", PHONE, ("overview", "live")),
        ):
            page = browser.new_page(reduced_motion="reduce")
            page.set_viewport_size({"width": viewport[0], "height": viewport[1]})
            page.emulate_media(color_scheme="dark" if suffix == "-dark" else "light")
            page.goto(f"{stack.url}/router/")
            page.get_by_label("LiteLLM key").fill(stack.master_key)
            page.keyboard.press("Enter")
            page.wait_for_selector("nav[aria-label=Pages]")
            for name in names:
                _VIEWS[name](page)
                page.screenshot(path=folder / f"console-{name}{suffix}.png")
            page.close()
        browser.close()


def _go(page: Page, name: str) -> None:
    page.evaluate("name => { location.hash = `#/${name}` }", name)
    page.wait_for_timeout(300)
    _settled(page)


def _settled(page: Page) -> None:
    page.locator(".loading, [aria-busy]").first.wait_for(state="detached")
    page.evaluate("document.activeElement.blur()")
    page.wait_for_timeout(300)


def _page(name: str) -> Callable[[Page], None]:
    return lambda page: _go(page, name)


def _receipt(page: Page) -> None:
    _go(page, "live?escalated=true")
    page.locator("table.live tbody tr").first.click()
    page.get_by_role("heading", name="Where the time went").wait_for()
    page.wait_for_timeout(300)


def _playground(page: Page) -> None:
    for dialog in page.get_by_role("dialog").all():
        dialog.press("Escape")
    _go(page, "playground")
    page.get_by_role("textbox", name="Prompt").fill(PROMPT)
    page.get_by_role("button", name="See its path").click()
    page.get_by_role("heading", name="What would change it").wait_for()
    _settled(page)


def _edit(page: Page) -> None:
    _go(page, "policy")
    page.get_by_role("button", name="Try an edit").click()
    area = page.get_by_label("Change it here")
    area.fill(area.input_value().replace("threshold: 0.80", "threshold: 0.84"))
    page.get_by_role("button", name="See what it would do").click()
    page.get_by_text("requests tried").wait_for()
    _settled(page)


_VIEWS: dict[str, Callable[[Page], None]] = {
    "overview": _page("overview"),
    "live": _page("live"),
    "receipt": _receipt,
    "playground": _playground,
    "policy": _edit,
    "cache": _page("cache"),
    "classifier": _page("classifier"),
}

if __name__ == "__main__":
    app()
