"""The report over HTTP: made by a child process that may fail, hang or babble."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from custom_router.api import report_child
from custom_router.api.report_child import NICENESS, ReportChild, ReportFailed
from custom_router.records.record import CostFields, ExperimentFields, GateFields
from custom_router.runtime import Runtime
from tests.api.app import application, client, record, segment


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """Four requests of an hour ago, one of them in an experiment."""
    hour_ago = (datetime.now(UTC) - timedelta(hours=1)).isoformat(timespec="milliseconds")
    made = [record(number, time=hour_ago, cost=CostFields(total=0.25)) for number in range(4)]
    made[0].experiment = ExperimentFields("lower", "b", 0.5)
    made[1].gate = GateFields("whole", confidence=0.95, verdict="trust")
    segment(tmp_path / "records", "a", made)
    return tmp_path / "records"


async def test_the_report_and_what_is_made_of_it(runtime: Runtime, records: Path) -> None:
    async with client(application(runtime)) as http:
        overview = (await http.get("/router/api/overview?since=7d")).json()
        classifier = (await http.get("/router/api/classifier")).json()
        experiments = (await http.get("/router/api/experiments")).json()
    assert (overview["requests"], overview["cost"]["total"]) == (4, 1.0)
    assert overview["health"]["policy"]["version"] == runtime.engine.policy.version
    assert [each["name"].partition(" / ")[0] for each in experiments["experiments"]] == ["lower"]
    assert sum(each["n"] for each in classifier["reliability"]["confidence"]) == 1
    curve = classifier["gate"]["calibrators"][0]["curve"]
    assert [point["confidence"] for point in curve] == sorted(point["confidence"] for point in curve)
    assert set(classifier["drift"]) == {"p_ok_simple", "domain", "tier"}


@pytest.mark.parametrize("path", ["overview", "classifier", "experiments"])
async def test_for_administrators_only(runtime: Runtime, path: str) -> None:
    app = application(runtime)
    for key, status in ((None, 401), ("red", 403), ("lone", 403)):
        async with client(app, key) as http:
            assert (await http.get(f"/router/api/{path}")).status_code == status


@pytest.mark.parametrize("since", ["yesterday", "-1d", "1d;rm -rf /", "--records=/etc/passwd", "x" * 100, ""])
async def test_only_a_span_of_time_is_taken(runtime: Runtime, records: Path, since: str) -> None:
    async with client(application(runtime)) as http:
        assert (await http.get("/router/api/overview", params={"since": since})).status_code == 422


async def test_without_a_folder_it_says_why(runtime: Runtime) -> None:
    async with client(application(runtime)) as http:
        answer = await http.get("/router/api/overview")
    assert answer.status_code == 503
    assert "report failed" in answer.json()["detail"]


def child(tmp_path: Path, program: str, deadline_s: float = 60.0) -> ReportChild:
    return ReportChild(tmp_path, (sys.executable, "-c", program), deadline_s)


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("import sys; sys.exit('no disk')", "no disk"),
        ("print('not json')", "no report"),
        ("print('[1]')", "no report"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "exit status -9"),
    ],
)
async def test_a_failed_child_is_told(tmp_path: Path, program: str, told: str) -> None:
    with pytest.raises(ReportFailed, match=told):
        await child(tmp_path, program).report("1d")


async def test_a_child_that_hangs_is_killed(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    reports = ReportChild(tmp_path, ("/bin/sh", "-c", f"echo $$ > {pid}; exec sleep 600"), 3.0)
    with pytest.raises(ReportFailed, match="more than 3 s"):
        await reports.report("1d")
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


async def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ReportFailed, match="could not be started"):
        await ReportChild(tmp_path, ("/no/such/program",)).report("1d")


async def test_those_who_ask_at_once_share_one_child(tmp_path: Path) -> None:
    program = f"open({str(tmp_path / 'runs')!r}, 'a').write('x'); print('{{}}')"
    reports = child(tmp_path, program)
    asked: list[Any] = await asyncio.gather(*(reports.report("1d") for _ in range(5)))
    await reports.report("1d")
    assert asked == [{}] * 5
    assert (tmp_path / "runs").read_text() == "x"
    await reports.report("2d")
    assert (tmp_path / "runs").read_text() == "xx"


async def test_the_policys_fixed_cost_is_to_be_earned_back(tmp_path: Path) -> None:
    program = "import json, sys; print(json.dumps({'asked': sys.argv[-1]}))"
    assert await child(tmp_path, program).report("1d", 12.5) == {"asked": "12.5"}


async def test_the_child_stays_out_of_the_workers_counters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    program = "import json, os; print(json.dumps({'there': 'PROMETHEUS_MULTIPROC_DIR' in os.environ}))"
    assert await child(tmp_path, program).report("1d") == {"there": False}


async def test_the_child_stands_behind_the_proxy_and_reads_with_one_thread(tmp_path: Path) -> None:
    program = (
        "import json, os, time\n"
        "from custom_router.reports.store import connected\n"
        f"while os.nice(0) < {NICENESS}: time.sleep(0.01)\n"
        "with connected() as connection:\n"
        "    (threads,) = connection.execute(\"SELECT current_setting('threads')\").fetchone()\n"
        "print(json.dumps({'threads': threads}))"
    )
    assert await child(tmp_path, program).report("1d") == {"threads": 1}


async def test_the_last_report_is_shown_while_a_new_one_takes_long(tmp_path: Path) -> None:
    program = (
        "import json, pathlib, time\n"
        f"folder = pathlib.Path({str(tmp_path)!r})\n"
        "with (folder / 'runs').open('a') as runs: runs.write('x')\n"
        "number = len((folder / 'runs').read_text())\n"
        "while number > 1 and not (folder / 'go').exists(): time.sleep(0.01)\n"
        "print(json.dumps({'number': number}))"
    )
    reports = child(tmp_path, program)
    assert await reports.report("1d") == {"number": 1}
    reports._made.clear()
    reports._patience_s = 0.01
    for _ in range(3):
        assert await reports.report("1d") == {"number": 1}
    with pytest.raises(ReportFailed, match="still being made"):
        await reports.report("2d")
    (tmp_path / "go").touch()
    reports._patience_s = 60.0
    assert (await reports.report("1d"))["number"] == 2, "one child for all who asked, and it went on"


async def test_a_report_is_good_for_as_long_as_it_took(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000.0
    monkeypatch.setattr(report_child, "time", SimpleNamespace(monotonic=lambda: now))
    made: list[str] = []
    reports = ReportChild(tmp_path)

    async def slowly(since: str, fixed: float) -> dict[str, Any]:
        nonlocal now
        now += 40.0
        made.append(since)
        return {}

    monkeypatch.setattr(reports, "_make", slowly)
    for wait, runs in ((0, 1), (39, 1), (2, 2)):
        now += wait
        await reports.report("1d")
        assert len(made) == runs, wait
