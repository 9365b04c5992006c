"""One record among segments, wherever it stands and however long its neighbours are."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from custom_router.records import find
from custom_router.records.find import Found, find_in, find_newest
from tests.api.app import record


@pytest.mark.parametrize("block", [7, 1_000, 2**20])
def test_every_record_is_found_whatever_the_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(find, "_BLOCK", block)
    made = [record(number, text="x" * (number * 300), litellm_call_id=f"call-{number}") for number in range(8)]
    path = tmp_path / "decisions-a.jsonl"
    # Torn and foreign lines between, and no line end at the end.
    path.write_bytes(b'{"torn": "call-3\n\n[1]\n'.join(each.to_json() + b"\n" for each in made).rstrip(b"\n"))
    for each in made:
        for name in (each.request_id, str(each.litellm_call_id)):
            found = find_in(path, name)
            assert found is not None
            assert found["request_id"] == each.request_id
    assert find_in(path, "call-99") is None
    assert find_in(path, "call-1", lambda found: found["request_id"] == made[2].request_id) is None


def test_a_mention_is_not_the_record(tmp_path: Path) -> None:
    path = tmp_path / "decisions-a.jsonl"
    path.write_bytes(record(1, text="see call-2").to_json() + b"\n" + record(2).to_json() + b"\n")
    found = find_in(path, "call-2")
    assert found is not None
    assert found["litellm_call_id"] == "call-2"


def test_the_newest_segments_are_looked_through_first_until_enough_has_been_read(tmp_path: Path) -> None:
    made = [record(number) for number in range(3)]
    for age, each in enumerate(made):
        path = tmp_path / f"decisions-{age}.jsonl"
        path.write_bytes(each.to_json() + b"\n")
        os.utime(path, (1_000 - age, 1_000 - age))
    size = len(made[0].to_json()) + 1

    def number(asked: int, limit: int, at: datetime | None = None) -> tuple[int | None, bool]:
        found = find_newest(tmp_path, made[asked].request_id, limit, made=at)
        return (None if found.record is None else int(found.record["request_id"], 16)), found.complete

    assert number(0, 0) == (0, True)
    assert number(1, 0) == (None, False), "it was not looked for, which is not to say that it is gone"
    assert number(2, 2 * size + size // 2) == (2, True)
    assert number(2, size) == (None, False)
    # Where the time is known, the search begins at the first segment that may hold it, and still goes everywhere.
    assert number(2, 0, datetime.fromtimestamp(997, UTC)) == (2, True)
    assert number(1, 0, datetime.fromtimestamp(999, UTC)) == (1, True)
    assert number(2, 10 * size, datetime.fromtimestamp(5_000, UTC)) == (2, True)
    assert (
        find_newest(tmp_path, "never", 10 * size)
        == find_newest(tmp_path, "never", 10 * size, made=datetime.fromtimestamp(999, UTC))
        == Found(None, complete=True)
    )
    (tmp_path / "decisions-1.jsonl").unlink()
    assert number(2, 10 * size) == (2, True)
