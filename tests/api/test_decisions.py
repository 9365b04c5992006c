"""Decision records over HTTP: whose are whose, filters, pages, the live stream."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from custom_router.receipts import archive
from custom_router.records.find import Found
from custom_router.records.record import CacheFields, DomainFields, GateFields
from custom_router.runtime import Runtime
from tests.api.app import application, client, ids, record, segment


@pytest.fixture
def records(runtime: Runtime, tmp_path: Path) -> Path:
    """Two workers' records of four keys, one segment each."""
    directory = tmp_path / "records"
    segment(directory, "a", [record(0, "red"), record(2, "blue"), record(4, "red2"), record(6, "lone")])
    segment(directory, "b", [record(1, "blue"), record(3, "red"), record(5, "loner")])
    return directory


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("admin", [6, 5, 4, 3, 2, 1, 0]),
        ("auditor", [6, 5, 4, 3, 2, 1, 0]),
        ("red", [4, 3, 0]),
        ("red2", [4, 3, 0]),
        ("blue", [2, 1]),
        ("lone", [6]),
        ("loner", [5]),
    ],
)
async def test_each_sees_its_own_teams_records_only(
    runtime: Runtime, records: Path, key: str, expected: list[int]
) -> None:
    async with client(application(runtime), key) as http:
        assert ids(await http.get("/router/api/decisions")) == expected
        # Naming somebody else narrows, and never widens.
        assert ids(await http.get("/router/api/decisions?team=blue")) == [n for n in expected if n in (1, 2)]
        for number in range(7):
            by_id = await http.get(f"/router/api/decisions/{number:032x}")
            by_call = await http.get(f"/router/api/decisions/call-{number}")
            assert by_id.status_code == by_call.status_code == (200 if number in expected else 404)
            if by_id.status_code == 404:
                assert by_id.json() == (await http.get(f"/router/api/decisions/{'f' * 32}")).json()


async def test_without_a_key_there_is_nothing(runtime: Runtime, records: Path) -> None:
    async with client(application(runtime), None) as http:
        for path in ("whoami", "decisions", "decisions/stream", f"decisions/{0:032x}"):
            assert (await http.get(f"/router/api/{path}")).status_code == 401


async def test_whoami(runtime: Runtime) -> None:
    app = application(runtime)
    told = {}
    for key in ("admin", "auditor", "blue", "lone"):
        async with client(app, key) as http:
            told[key] = (await http.get("/router/api/whoami")).json()
    assert told == {
        "admin": {"admin": True, "may_change": True, "team": None, "key_alias": "admin-alias"},
        "auditor": {"admin": True, "may_change": False, "team": None, "key_alias": "auditor-alias"},
        "blue": {"admin": False, "may_change": False, "team": "blue", "key_alias": "blue-alias"},
        "lone": {"admin": False, "may_change": False, "team": None, "key_alias": "lone-alias"},
    }


async def test_pages_follow_one_another_without_gap_or_repetition(runtime: Runtime, tmp_path: Path) -> None:
    directory = tmp_path / "records"
    for worker in range(3):
        segment(directory, f"w{worker}-old", [record(n) for n in range(worker, 300, 3)])
        segment(directory, f"w{worker}-new", [record(300 + n) for n in range(worker, 300, 3)])
    seen: list[int] = []
    cursor = None
    async with client(application(runtime)) as http:
        while True:
            query: dict[str, Any] = {"limit": 70} | ({"cursor": cursor} if cursor else {})
            answer = await http.get("/router/api/decisions", params=query)
            seen += ids(answer)
            if (cursor := answer.json()["next"]) is None:
                break
            if len(seen) == 70:  # what comes meanwhile disturbs no later page
                segment(directory, "later", [record(700, time="2999-01-01T00:00:00.000+00:00")])
    assert seen == list(range(599, -1, -1))


async def test_filters(runtime: Runtime, tmp_path: Path) -> None:
    plain = record(0)
    special = record(
        1,
        "blue",
        tier="frontier",
        domain=DomainFields("finance", 1.0, "term:mortgage", "frontier"),
        causes=["domain_rule"],
        cache=CacheFields("hit", "exact"),
        gate=GateFields(escalated_to="frontier"),
        text="<script>alert('Mortgage')</script>",
    )
    special.outcome.status = "error"
    segment(tmp_path / "records", "a", [plain, special])
    async with client(application(runtime)) as http:
        for query in (
            "tier=frontier", "domain=finance", "cause=domain_rule", "cache=hit", "escalated=true", "status=error",
            "team=blue", "key=blue-alias", "key=hash-blue", "q=mortgage", "since_id=" + "0" * 32,
        ):  # fmt: skip
            assert ids(await http.get(f"/router/api/decisions?{query}")) == [1], query
        assert ids(await http.get("/router/api/decisions?tier=frontier&cache=miss")) == []
        answer = await http.get("/router/api/decisions?q=%3Cscript")
        assert ids(answer) == [1]
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=1000000", "limit=x", "tier=best", "cursor=../../etc/passwd", "cursor=1~zz.5",
        "cursor=1~" + "0" * 12 + ".-5", "cursor=" + "9" * 40, "unknown=1", "q=" + "x" * 300, "escalated=perhaps",
    ],
)  # fmt: skip
async def test_what_makes_no_sense_is_refused(runtime: Runtime, records: Path, query: str) -> None:
    async with client(application(runtime), "red") as http:
        assert (await http.get(f"/router/api/decisions?{query}")).status_code == 422


async def test_a_forged_cursor_shows_nothing_of_others(runtime: Runtime, records: Path) -> None:
    async with client(application(runtime), "red") as http:
        first = (await http.get("/router/api/decisions?limit=1")).json()["next"]
        name = first.split("~")[1].split(".")[0]
        for offset in (0, 1, 100, 777, 10**14):
            answer = await http.get(f"/router/api/decisions?cursor={first.split('~')[0]}~{name}.{offset}")
            assert answer.status_code == 200
            assert {made["tenant"]["team"] for made in answer.json()["decisions"]} <= {"red"}


@pytest.mark.parametrize(
    "request_id", ["..%2F..%2Fetc%2Fpasswd", "%2Fetc%2Fpasswd", "a%00b", ".*", "%22%7D", "x" * 5000, "%0A", "{}"]
)
async def test_an_id_is_only_ever_compared(runtime: Runtime, records: Path, request_id: str) -> None:
    async with client(application(runtime)) as http:
        answer = await http.get(f"/router/api/decisions/{request_id}")
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/json"


async def test_torn_lines_and_things_that_are_no_records_are_passed_over(runtime: Runtime, records: Path) -> None:
    with (records / "decisions-b.jsonl").open("ab") as file:
        file.write(b'[]\n"text"\n\n{"time": 7}\n{"request_id": "torn')
    async with client(application(runtime)) as http:
        assert ids(await http.get("/router/api/decisions")) == [6, 5, 4, 3, 2, 1, 0]


async def test_a_missing_folder_is_an_empty_list(runtime: Runtime) -> None:
    async with client(application(runtime)) as http:
        assert ids(await http.get("/router/api/decisions")) == []
        assert (await http.get("/router/api/decisions/call-1")).status_code == 404


async def test_an_id_that_another_team_has_taken_too_hides_nothing(runtime: Runtime, tmp_path: Path) -> None:
    segment(tmp_path / "records", "a", [record(0, "red", litellm_call_id="call-x")])
    segment(tmp_path / "records", "b", [record(1, "blue", litellm_call_id="call-x")])
    segment(tmp_path / "records", "c", [record(2, "lone", litellm_call_id=f"{0:032x}")])
    app = application(runtime)
    for key, number in (("red", 0), ("blue", 1)):
        async with client(app, key) as http:
            answer = await http.get("/router/api/decisions/call-x")
            assert int(answer.json()["record"]["request_id"], 16) == number
            mine = await http.get(f"/router/api/decisions/{0:032x}")
            assert mine.status_code == (200 if key == "red" else 404)


async def test_a_look_up_that_stopped_early_says_so_and_the_time_of_a_row_leads_to_it(
    runtime: Runtime, records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("custom_router.receipts.archive.SEARCHED_MB", 0)  # the first segment only: a's is the newest
    async with client(application(runtime), "red") as http:
        rows = (await http.get("/router/api/decisions")).json()["decisions"]
        (deep,) = (row for row in rows if int(row["request_id"], 16) == 3)
        path = f"/router/api/decisions/{deep['request_id']}"
        stopped = await http.get(path)
        assert stopped.status_code == 404
        assert stopped.json()["complete"] is False
        assert "there are more" in stopped.json()["detail"]
        assert stopped.headers["cache-control"] == "no-store"
        others = await http.get(f"/router/api/decisions/{1:032x}")
        assert others.json() == stopped.json(), "somebody else's looks the same"
        found = await http.get(path, params={"time": deep["time"]})
        assert found.json()["record"] == deep
        for time in ("now", "2026-11-25", "2026-11-25T12:00:00", "9" * 50):
            assert (await http.get(path, params={"time": time})).status_code in (404, 422), time
        monkeypatch.setattr("custom_router.receipts.archive.SEARCHED_MB", 1)
        gone = await http.get(f"/router/api/decisions/{'f' * 32}")
        assert gone.json() == {"detail": "no such request", "complete": True}


async def test_one_key_cannot_keep_the_disk_to_itself(
    runtime: Runtime, records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Look-ups of ids that are nowhere read 256 MiB each, and searches half a second each."""
    monkeypatch.setattr("custom_router.per_minute.time.monotonic", lambda: 6_000.0)
    entered, go_on = threading.Event(), threading.Event()
    look = archive.find_newest

    def slow(*asked: Any) -> Found:
        entered.set()
        go_on.wait(60)
        return look(*asked)

    monkeypatch.setattr(archive, "find_newest", slow)
    app = application(runtime)
    async with client(app, "red") as red, client(app, "blue") as blue:
        unknown = f"/router/api/decisions/{'f' * 32}"
        crowd = [asyncio.create_task(red.get(unknown)) for _ in range(17)]
        await asyncio.to_thread(entered.wait, 60)
        other = asyncio.create_task(blue.get(f"/router/api/decisions/{1:032x}"))
        refused, _ = await asyncio.wait(crowd, return_when=asyncio.FIRST_COMPLETED)
        assert {task.result().status_code for task in refused} == {503}
        go_on.set()
        statuses = [answer.status_code for answer in await asyncio.gather(*crowd)]
        assert (statuses.count(404), statuses.count(503)) == (4, 13)
        assert (await other).status_code == 200
        for _ in range(60 - 17):
            assert (await red.get(unknown)).status_code == 404
        assert (await red.get(unknown)).status_code == 429
        assert (await red.get("/router/api/decisions")).status_code == 200
        assert (await blue.get(unknown)).status_code == 404
