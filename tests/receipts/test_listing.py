"""Reading segments backwards: order, budgets, cursors."""

from __future__ import annotations

import math
import os
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from custom_router.receipts.filters import Filter
from custom_router.receipts.listing import BLOCK, Backwards, Budget, newest
from tests.api.app import record, segment

EVERYTHING = Filter().takes


def test_lines_longer_than_a_block_are_read_whole(tmp_path: Path) -> None:
    records = [record(number, text="x" * (BLOCK * number // 2)) for number in range(6)]
    path = segment(tmp_path, "a", records)
    reader = Backwards(path, Budget())
    read = []
    while (made := reader.next()) is not None:
        read.append(made)
    reader.close()
    assert [made["request_id"] for made in read] == [made.request_id for made in reversed(records)]
    assert reader.offset == 0


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.integers(0, 30), min_size=1, max_size=6), limit=st.integers(1, 20), seed=st.integers())
def test_any_pages_together_are_all_records_once(tmp_path: Path, sizes: list[int], limit: int, seed: int) -> None:
    folder = tmp_path / f"{seed}-{'-'.join(map(str, sizes))}-{limit}"
    numbers = iter(random.Random(seed).sample(range(3_000), sum(sizes)))
    for name, size in enumerate(sizes):
        # As a worker writes them: in the order in which they ended, which is nearly that in which they came.
        if mine := sorted(next(numbers) for _ in range(size)):
            segment(folder, str(name), [record(number) for number in mine])
    seen: list[int] = []
    cursor = None
    while True:
        page = newest(folder, EVERYTHING, limit, cursor=cursor, budget=Budget(until=math.inf))
        assert len(page.records) <= limit
        assert page.complete
        seen += [int(made["request_id"], 16) for made in page.records]
        if (cursor := page.next) is None:
            break
    assert seen == sorted(seen, reverse=True)
    assert len(set(seen)) == len(seen) == sum(sizes)


def test_a_search_that_costs_too_much_goes_on_where_it_stopped(tmp_path: Path) -> None:
    segment(tmp_path, "a", [record(number, tier="frontier" if number == 0 else "simple") for number in range(2_000)])
    wanted = Filter(tier="frontier").takes
    cursor, pages = None, 0
    while True:
        page = newest(tmp_path, wanted, 10, cursor=cursor, budget=Budget(200_000, math.inf))
        pages += 1
        if page.records:
            break
        assert not page.complete
        assert page.next is not None
        cursor = page.next
    assert [int(made["request_id"], 16) for made in page.records] == [0]
    assert 2 < pages < 30


def test_old_segments_are_not_opened_for_what_is_new(tmp_path: Path) -> None:
    for number in range(50):
        path = segment(tmp_path, f"{number:02d}", [record(number)])
        if number < 45:
            os.chmod(path, 0)
            path.unlink()
            path.mkdir()  # opening it would raise
            os.utime(path, (1_700_000_000, 1_700_000_000))
    page = newest(tmp_path, EVERYTHING, 4, budget=Budget(until=math.inf))
    assert [int(made["request_id"], 16) for made in page.records] == [49, 48, 47, 46]
    assert page.next is not None


@pytest.mark.parametrize("cursor", ["", "x", "1~", "1~abc.1", "1~" + "a" * 12, "1~" + "a" * 12 + ".1x", "-1", "1\n"])
def test_a_cursor_is_ours_or_refused(tmp_path: Path, cursor: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        newest(tmp_path, EVERYTHING, 1, cursor=cursor)
