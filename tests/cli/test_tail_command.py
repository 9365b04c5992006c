"""`tier-router tail`: its lines, and the command following real files until it is interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from custom_router.cli.tail_line import tail_line
from custom_router.records.record import (
    CacheFields,
    CostFields,
    DecisionRecord,
    DomainFields,
    GateFields,
    OutcomeFields,
    Tenant,
)
from tests.cli.cli_calls import run
from tests.e2e.conftest import wait_until
from tests.reports.lines import made, write


def shown(record: DecisionRecord, width: int = 200, colour: bool = False) -> str:
    return tail_line(orjson.loads(record.to_json()), width, colour)


def test_a_line_tells_what_became_of_a_request() -> None:
    record = made(
        7, tier="medium", causes=["score", "gate_low_confidence"], gate=GateFields(escalated_to="medium"),
        cost=CostFields(total=0.0123), latency_ms={"total": 1234.5}, domain=DomainFields("travel"),
        tenant=Tenant("t1", "red"),
    )  # fmt: skip
    expected = [
        "12:00:00",
        "medium",
        "↑",
        "medium",
        "$0.0123",
        "1,234",
        "ms",
        "travel",
        "red",
        "score,gate_low_confidence",
    ]
    assert shown(record).split() == [*expected, "r7"]
    assert " hit " in shown(made(cache=CacheFields("hit")))
    assert " error " in shown(made(outcome=OutcomeFields("error", "Timeout")))


@pytest.mark.parametrize("width", [1, 20, 40, 80])
def test_a_narrow_terminal_gets_one_row(width: int) -> None:
    line = shown(made(causes=["score"] * 30), width)
    assert len(line) <= width
    assert "\n" not in line


def test_colour_is_all_that_moves_the_terminal_and_adds_no_text() -> None:
    evil = made(tenant=Tenant(team="\x1b[2J\r\n\u202e"), domain=DomainFields("a\tb"), tier="simple")
    plain, coloured = shown(evil), shown(evil, colour=True)
    assert not any(c in plain for c in "\x1b\r\n\t\u202e")
    assert coloured.replace("\x1b[32m", "").replace("\x1b[0m", "") == plain
    assert "\x1b[32m" in coloured


@pytest.mark.parametrize("junk", [{}, {"tier": 3, "cost": "x", "causes": "y", "latency_ms": {"total": "z"}}])
def test_a_record_of_any_shape_is_a_line(junk: dict[str, object]) -> None:
    assert tail_line(junk, 80, True)


def _at_a_terminal() -> None:
    """What a shell starts in the background ignores interrupts, and so do these tests if they were started so."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Follower:
    """The command in a process of its own, and what it has printed."""

    def __init__(self, folder: Path, *options: str) -> None:
        command = [sys.executable, "-m", "custom_router.cli", "tail", "--records", str(folder), *options]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=_at_a_terminal
        )
        self.lines: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)

    def ids(self) -> list[str]:
        return [orjson.loads(line)["request_id"] for line in self.lines]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "records", made(0, tier="simple"))


@pytest.fixture
def follower(folder: Path) -> Iterator[Follower]:
    """One that is following: what is written before that is nobody's news."""
    found = Follower(folder, "--tier", "simple", "--json")
    try:
        beats = iter(range(1_000_000, 2_000_000))

        def following() -> bool:
            append(folder / "decisions-1.jsonl", made(next(beats), tier="simple"))
            return bool(found.lines)

        wait_until(following)
        yield found
    finally:
        found.process.kill()
        found.process.wait()


def append(path: Path, record: DecisionRecord) -> None:
    with path.open("ab") as out:
        out.write(record.to_json() + b"\n")


def test_every_workers_files_are_followed_new_ones_and_after_rotation(follower: Follower, folder: Path) -> None:
    append(folder / "decisions-2.jsonl", made(2, tier="simple"))
    wait_until(lambda: "r2" in follower.ids())
    append(folder / "decisions-1.jsonl", made(3, tier="frontier"))
    append(folder / "decisions-1.jsonl", made(4, tier="simple"))
    wait_until(lambda: "r4" in follower.ids())
    (folder / "decisions-1.jsonl").unlink()
    append(folder / "decisions-3.jsonl", made(5, tier="simple"))
    wait_until(lambda: "r5" in follower.ids())
    assert "r0" not in follower.ids(), "what was there before"
    assert "r3" not in follower.ids(), "another tier"
    assert len(follower.ids()) == len(set(follower.ids()))


def test_an_interrupt_ends_it_without_a_word(follower: Follower) -> None:
    os.kill(follower.process.pid, signal.SIGINT)
    assert follower.process.wait(60) == 0
    assert follower.process.stderr is not None
    assert follower.process.stderr.read() == ""


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--tier", "cheap"], 2, "--tier"),
        (["--status", "fine"], 2, "--status"),
        (["--cause", "because"], 2, "no cause"),
        (["--records", "nowhere"], 1, "no such folder"),
    ],
)
def test_what_cannot_be_followed_says_why(folder: Path, options: list[str], code: int, says: str) -> None:
    result = run("tail", "--records", folder, *options)
    assert (result.exit_code, says in result.stderr) == (code, True)
