"""What a question is charged of a server that answers several at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_router.classify.occupancy import Occupancy


def test_two_at_once_pay_half_each() -> None:
    server = Occupancy()
    first = server.enter(0.0)
    second = server.enter(1.0)
    assert server.leave(first, 3.0) == pytest.approx(1.0 + 1.0)
    assert server.leave(second, 4.0) == pytest.approx(1.0 + 1.0)
    late = server.enter(100.0)
    assert server.leave(late, 100.5) == pytest.approx(0.5), "idle time is nobody's"


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0.001, 10)), min_size=1, max_size=20))
def test_the_shares_add_up_to_the_time_in_which_any_was_under_way(spans: list[tuple[float, float]]) -> None:
    server, marks, charged = Occupancy(), {}, 0.0
    events = [(begin, 1, n) for n, (begin, _) in enumerate(spans)]
    events += [(begin + length, 0, n) for n, (begin, length) in enumerate(spans)]
    busy, under_way, since = 0.0, 0, 0.0
    for now, begins, number in sorted(events):
        busy += now - since if under_way else 0.0
        since = now
        if begins:
            marks[number] = server.enter(now)
        else:
            charged += server.leave(marks[number], now)
        under_way += 1 if begins else -1
    assert charged == pytest.approx(busy)
