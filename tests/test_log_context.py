"""Log lines of ours say which request they are about, and nobody else's do."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import pytest

from custom_router.litellm_adapter.logs import set_up_logs
from custom_router.log_context import FIELD, about, begin_request, mark_log_records

OURS, THEIRS = logging.getLogger("custom_router.gating"), logging.getLogger("litellm.router")


@pytest.fixture
def marked() -> Iterator[None]:
    before = logging.getLogRecordFactory()
    mark_log_records()
    mark_log_records()  # a second time changes nothing
    yield
    logging.setLogRecordFactory(before)


def test_a_line_carries_the_request_of_its_own_task(marked: None, caplog: pytest.LogCaptureFixture) -> None:
    async def request(number: int) -> None:
        begin_request(f"request-{number}")
        await asyncio.sleep(0)
        OURS.warning("%d", number)
        await asyncio.create_task(later(number))

    async def later(number: int) -> None:
        OURS.warning("%d", number)

    async def requests() -> None:
        await asyncio.gather(*(asyncio.create_task(request(number)) for number in range(5)))

    asyncio.run(requests())
    OURS.warning("of none")
    assert len(caplog.records) == 11
    for record in caplog.records[:-1]:
        assert getattr(record, FIELD) == f"request-{record.getMessage()}"
    assert not hasattr(caplog.records[-1], FIELD)


def test_work_for_a_request_ends(marked: None, caplog: pytest.LogCaptureFixture) -> None:
    with about("one"):
        OURS.warning("within")
        THEIRS.warning("somebody else's")
    OURS.warning("after")
    assert [getattr(record, FIELD, None) for record in caplog.records] == ["one", None, None]


def test_a_plain_line_has_its_time_level_and_request_and_no_secret(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    factory, package, root = logging.getLogRecordFactory(), logging.getLogger("custom_router"), logging.getLogger()
    monkeypatch.setattr(package, "handlers", [])
    monkeypatch.setattr(root, "handlers", [])
    try:
        set_up_logs()
        set_up_logs()
        with about("one"):
            OURS.warning("refused by redis://:hunter2@host, key sk-1234567890abcdefghij")
        (line,) = capsys.readouterr().err.splitlines()
        assert "tier-router:WARNING: test_log_context.py" in line
        assert line.endswith(f"[{FIELD}=one]")
        assert "sk-1234567890abcdefghij" not in line
        root.addHandler(logging.NullHandler())
        OURS.warning("now somebody else writes it")
        assert capsys.readouterr().err == ""
    finally:
        logging.setLogRecordFactory(factory)
