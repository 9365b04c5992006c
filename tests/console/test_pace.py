"""The live page stays usable while 200 decisions a second come in."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import expect

from tests.console.conftest import Tab
from tests.console.console_stack import Console, made_up_records

A_SECOND = 200
SECONDS = 6
_FRAMES = """
() => {
  window.frames_seen = [];
  let last = performance.now();
  const step = (now) => { window.frames_seen.push(now - last); last = now; requestAnimationFrame(step); };
  requestAnimationFrame(step);
}
"""


@contextmanager
def _stream(console: Console) -> Iterator[threading.Event]:
    """Records as a worker writes them, ten times a second, until the end. Set once all are written."""
    record = console.proxy.records()[0]
    segment = console.proxy.stack.records / "pace.jsonl"
    stop, done = threading.Event(), threading.Event()

    def write() -> None:
        with segment.open("ab", buffering=0) as out:
            for tenth in range(SECONDS * 10):
                began = time.monotonic()
                out.write(made_up_records(record, A_SECOND // 10, tenth * A_SECOND // 10))
                if stop.wait(max(0.0, 0.1 - (time.monotonic() - began))):
                    return
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield done
    finally:
        stop.set()
        writer.join()
        segment.unlink()


def test_the_live_page_stays_responsive_at_200_decisions_a_second(tab: Tab, console: Console) -> None:
    tab.open()
    tab.show("live")
    expect(tab.page.locator(".live-state")).to_contain_text("Live")
    tab.page.evaluate(_FRAMES)
    answers_ms = []
    with _stream(console) as done:
        while not done.wait(0.25):
            began = time.perf_counter()
            assert tab.page.locator("table.live tbody tr").count() <= 60
            answers_ms.append((time.perf_counter() - began) * 1000)
        last = f"{SECONDS * A_SECOND - 1:032x}"
        expect(tab.page.locator(f'tr[data-id="{last}"]')).to_be_visible()
        # While they come, a receipt can be opened and closed.
        tab.page.locator("table.live tbody tr button").first.click()
        expect(tab.page.get_by_role("dialog")).to_be_visible()
        tab.settled()  # the record is gone with the test's file
        tab.page.keyboard.press("Escape")
        expect(tab.page.get_by_role("dialog")).to_have_count(0)
    frames = sorted(tab.page.evaluate("window.frames_seen"))
    answers_ms.sort()
    print(
        f"\n{A_SECOND} decisions a second for {SECONDS} s: {len(frames)} frames, "
        f"median {frames[len(frames) // 2]:.0f} ms, 99 % {frames[int(len(frames) * 0.99)]:.0f} ms, "
        f"longest {frames[-1]:.0f} ms; a question to the page took {answers_ms[len(answers_ms) // 2]:.0f} ms (median)"
    )
    assert tab.page.locator("table.live tbody tr").count() <= 60
