"""The live stream: a real server, real files that grow, readers that are slow, leave, or come in crowds."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import uvicorn

from custom_router.api import decisions
from custom_router.api.decisions import STREAMS, STREAMS_A_GROUP, Seats
from custom_router.receipts import following
from custom_router.receipts.following import QUEUE, Follower, Reader, Tail
from custom_router.records.record import DecisionRecord
from custom_router.runtime import Runtime
from tests.api.app import application, record, visitor


async def until(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.02)


def grow(directory: Path, name: str, *records: DecisionRecord) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / f"decisions-{name}.jsonl").open("ab") as file:
        file.write(b"".join(made.to_json() + b"\n" for made in records))


@asynccontextmanager
async def server(runtime: Runtime) -> AsyncIterator[str]:
    config = uvicorn.Config(application(runtime), port=0, log_level="error", lifespan="off")
    serving = uvicorn.Server(config)
    serving.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(serving.serve())
    await until(lambda: serving.started)
    try:
        yield f"http://127.0.0.1:{serving.servers[0].sockets[0].getsockname()[1]}"
    finally:
        serving.should_exit = serving.force_exit = True
        await task


def following_threads() -> int:
    return sum(thread.name == "tier-router-follow" for thread in threading.enumerate())


@asynccontextmanager
async def reading(url: str, key: str, query: str = "") -> AsyncIterator[list[tuple[str, Any]]]:
    """The events that a key gets, as (event, data), once its stream has begun."""
    events: list[tuple[str, Any]] = []
    begun = asyncio.Event()

    async def read() -> None:
        headers = {"Authorization": f"Bearer {key}"}
        path = f"{url}/router/api/decisions/stream?{query}"
        async with (
            httpx.AsyncClient(trust_env=False, timeout=60) as http,
            http.stream("GET", path, headers=headers) as answer,
        ):
            assert answer.status_code == 200, await answer.aread()
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert answer.headers["x-content-type-options"] == "nosniff"
            kind = ""
            async for line in answer.aiter_lines():
                begun.set()
                if line.startswith("event: "):
                    kind = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    events.append((kind, orjson.loads(line.removeprefix("data: "))))

    task = asyncio.create_task(read())
    await asyncio.wait_for(begun.wait(), 60)
    try:
        yield events
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_each_gets_what_its_team_does_from_all_workers(runtime: Runtime, tmp_path: Path) -> None:
    directory = tmp_path / "records"
    grow(directory, "a", record(0, "red"))
    async with (
        server(runtime) as url,
        reading(url, "admin") as admins,
        reading(url, "red") as reds,
        reading(url, "lone", "tier=frontier") as lones,
    ):
        assert following_threads() == 1  # for all readers
        grow(directory, "a", record(1, "red2", text="<script>\n\nevent: end"), record(2, "lone"))
        grow(directory, "b", record(3, "blue"), record(4, "lone", tier="frontier"))
        await until(lambda: len(_numbers(admins)) == 4 and len(_numbers(lones)) == 1 and len(_numbers(reds)) == 1)
        assert sorted(_numbers(admins)) == [1, 2, 3, 4]
        assert (_numbers(reds), _numbers(lones)) == ([1], [4])
        assert {kind for kind, _ in admins} == {"decision"}
    await until(lambda: following_threads() == 0)


def _numbers(events: list[tuple[str, Any]]) -> list[int]:
    return [int(data["request_id"], 16) for kind, data in events if kind == "decision"]


async def test_streams_are_bounded_and_given_back(runtime: Runtime, tmp_path: Path) -> None:
    async with server(runtime) as url, httpx.AsyncClient(trust_env=False, timeout=60) as http:
        path = f"{url}/router/api/decisions/stream"
        ask = http.build_request("GET", path, headers=_as("red"))
        open_ = [await http.send(ask, stream=True) for _ in range(STREAMS_A_GROUP)]
        assert {answer.status_code for answer in open_} == {200}
        for key, status in (("red2", 503), ("red", 503)):  # the team's are used up
            assert (await http.get(path, headers=_as(key))).status_code == status
        other = await http.send(http.build_request("GET", path, headers=_as("blue")), stream=True)
        assert other.status_code == 200
        for answer in (*open_, other):
            await answer.aclose()

        async def free() -> bool:
            answer = await http.send(http.build_request("GET", path, headers=_as("red")), stream=True)
            await answer.aclose()
            return answer.status_code == 200

        deadline = time.monotonic() + 60
        while not await free():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)


def _as(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def test_administrators_and_keys_cannot_keep_each_other_out() -> None:
    seats = Seats()
    red, lone, admin = [await visitor(f"Bearer {key}") for key in ("red", "lone", "admin")]
    assert [seats.take(admin) is not None for _ in range(STREAMS + 1)] == [True] * STREAMS + [False]
    taken = [seat for _ in range(STREAMS_A_GROUP + 1) if (seat := seats.take(red)) is not None]
    assert len(taken) == STREAMS_A_GROUP
    assert seats.take(lone) is not None
    for seat in (taken[0], taken[0]):  # twice is once
        seat.leave()
    assert seats.take(red) is not None
    assert seats.take(red) is None


async def test_a_slow_reader_loses_the_oldest_and_is_told() -> None:
    reader = Reader(lambda made: True)
    reader.put(({"n": n} for n in range(QUEUE + 7)), passed_over=False)
    async for records, dropped in reader.batches(60.0):
        assert [made["n"] for made in records] == list(range(7, QUEUE + 7))
        assert dropped == 7
        break


async def test_a_client_that_neither_reads_nor_leaves_is_let_go_of(
    runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decisions, "LIFETIME_S", 1.0)
    monkeypatch.setattr(decisions, "GRACE_S", 1.0)
    directory = tmp_path / "records"
    async with server(runtime) as url:
        host, port = url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port), limit=1)
        writer.write(b"GET /router/api/decisions/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin\r\n\r\n")
        await writer.drain()
        await until(lambda: following_threads() == 1)
        stop = asyncio.Event()

        async def write() -> None:
            for number in range(100_000):
                if stop.is_set():
                    return
                grow(directory, "a", *(record(number, text="x" * 4000) for _ in range(100)))
                await asyncio.sleep(0.05)

        writing = asyncio.create_task(write())
        await until(lambda: following_threads() == 0)
        stop.set()
        await writing
        writer.close()


async def test_a_stream_ends_in_time_and_says_so(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decisions, "LIFETIME_S", 0.0)
    async with server(runtime) as url, httpx.AsyncClient(trust_env=False, timeout=60) as http:
        answer = await http.get(f"{url}/router/api/decisions/stream", headers=_as("red"))
    assert answer.text.endswith("event: end\ndata: {}\n\n")


async def test_a_process_that_stops_waits_for_no_stream(runtime: Runtime) -> None:
    async with server(runtime) as url, httpx.AsyncClient(trust_env=False, timeout=60) as http:
        asked = asyncio.create_task(http.get(f"{url}/router/api/decisions/stream", headers=_as("red")))
        await until(lambda: following_threads() == 1)
        runtime.stopping.set()
        assert (await asked).text.endswith("event: end\ndata: {}\n\n")


def test_a_tail_reads_whole_lines_once(tmp_path: Path) -> None:
    grow(tmp_path, "a", record(0))
    tail = Tail(tmp_path)
    assert tail.read() == ([], 0)
    line = record(1).to_json() + b"\n"
    with (tmp_path / "decisions-a.jsonl").open("ab") as file:
        file.write(line[:50])
        file.flush()
        assert tail.read() == ([], 0)
        file.write(line[50:] + b"not json\n[]\n")
    grow(tmp_path, "new", record(2))  # a segment begun meanwhile is read from its beginning
    records, passed_over = tail.read()
    assert (sorted(int(made["request_id"], 16) for made in records), passed_over) == ([1, 2], 0)
    (tmp_path / "decisions-a.jsonl").unlink()
    assert tail.read() == ([], 0)


def test_a_segment_that_grows_too_fast_is_read_from_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "BYTES_A_POLL", 10_000)
    tail = Tail(tmp_path)
    tail.read()
    grow(tmp_path, "a", *(record(number) for number in range(100)))
    records, passed_over = tail.read()
    size = (tmp_path / "decisions-a.jsonl").stat().st_size
    assert passed_over == size - 10_000
    assert [int(made["request_id"], 16) for made in records][-1] == 99
    assert 0 < len(records) < 10_000 / 300


async def test_a_folder_that_cannot_be_read_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "records").write_text("a file")
    follower = Follower(tmp_path / "records")
    async with follower.reader(lambda made: True) as reader:
        async for batch in reader.batches(0.5):
            assert batch == ([], 0)
            break
    await until(lambda: following_threads() == 0)
