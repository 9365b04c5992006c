"""A request under way ends exactly once, whoever reports it first."""

from __future__ import annotations

import threading

import pytest

from custom_router.records import pending as module
from custom_router.records.pending import MAX_AGE_SECONDS, Pending, PendingRecords
from custom_router.records.record import DecisionRecord, Tenant


def held(began: float = 0.0, name: str = "r") -> Pending:
    return Pending(DecisionRecord(name, "t", "v", "auto", "chat", False, Tenant()), began, {}, {})


def test_taking_is_exactly_once_under_threads() -> None:
    records, count, threads = PendingRecords(), 300, 8
    for i in range(count):
        records.put(str(i), held())
    taken: list[str] = []
    start = threading.Barrier(threads)

    def take() -> None:
        start.wait()
        taken.extend(str(i) for i in range(count) if records.take(str(i)) is not None)

    workers = [threading.Thread(target=take) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(taken) == sorted(str(i) for i in range(count))
    assert len(records) == 0


def test_drain_and_take_share_out_every_record() -> None:
    records, count = PendingRecords(), 2_000
    for i in range(count):
        records.put(str(i), held(name=str(i)))
    drained: list[str] = []
    taken: list[str] = []
    failures: list[BaseException] = []
    start = threading.Barrier(3)

    def drain() -> None:
        start.wait()
        try:
            drained.extend(pending.record.request_id for pending in records.drain())
        except KeyError as error:
            failures.append(error)

    workers = [threading.Thread(target=drain) for _ in range(2)]
    for worker in workers:
        worker.start()
    start.wait()
    taken.extend(str(i) for i in reversed(range(count)) if records.take(str(i)) is not None)
    for worker in workers:
        worker.join()
    assert failures == []
    assert sorted([*drained, *taken]) == sorted(str(i) for i in range(count))


def test_looking_does_not_take() -> None:
    records = PendingRecords()
    records.put("a", held())
    assert records.get("a") is records.get("a") is not None
    assert records.get("b") is None
    assert records.take("b") is None


def test_the_old_expire_oldest_first_and_the_young_stay() -> None:
    now = MAX_AGE_SECONDS + 10.0
    records = PendingRecords(clock=lambda: now)
    for name, began in (("a", 1.0), ("b", 9.0), ("c", 11.0)):
        records.put(name, held(began, name))
    assert [p.record.request_id for p in records.expired()] == ["a", "b"]
    assert len(records) == 1
    assert records.take("a") is None
    assert list(records.expired()) == []


def test_too_many_push_out_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PENDING", 3)
    records = PendingRecords(clock=lambda: 0.0)
    for i in range(5):
        records.put(str(i), held(0.0, str(i)))
    assert [p.record.request_id for p in records.expired()] == ["0", "1"]


def test_drain_empties() -> None:
    records = PendingRecords()
    for i in range(3):
        records.put(str(i), held(name=str(i)))
    assert [p.record.request_id for p in records.drain()] == ["0", "1", "2"]
    assert list(records.drain()) == []
