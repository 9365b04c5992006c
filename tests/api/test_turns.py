"""Who may do what is dear, and who is sent away."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from fastapi import HTTPException

from custom_router.api.turns import Turns, admit
from custom_router.api.visitor import Visitor
from custom_router.per_minute import PerMinute
from tests.api.app import visitor


async def test_few_at_once_some_wait_the_rest_are_refused() -> None:
    turns = Turns("things", at_once=2, waiting=1, share=9, deadline_s=60.0)
    red, admin = await visitor("Bearer red"), await visitor("Bearer admin")
    order: list[str] = []

    async def wait() -> None:
        async with turns.one(red):
            order.append("waited")

    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(turns.one(red))
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0)
        with pytest.raises(HTTPException) as refused:
            async with turns.one(red):
                order.append("never")
        assert refused.value.status_code == 503
        async with turns.one(admin):  # in a lane of their own
            order.append("admin")
    await waiting
    assert order == ["admin", "waited"]
    async with turns.one(red):
        order.append("again")
    assert order[-1] == "again"


async def test_what_takes_too_long_is_given_up() -> None:
    turns = Turns("things", at_once=1, waiting=1, share=9, deadline_s=0.01)
    red = await visitor("Bearer red")
    with pytest.raises(HTTPException, match="too much is going on"):
        async with turns.one(red):
            await asyncio.sleep(60)
    async with turns.one(red):
        pass


async def test_one_team_cannot_take_the_places_of_others() -> None:
    turns = Turns("things", at_once=1, waiting=3, share=2, deadline_s=60.0)
    red, red2, blue = [await visitor(f"Bearer {key}") for key in ("red", "red2", "blue")]
    admin = await visitor("Bearer admin")
    order: list[str] = []

    async def wait(who: Visitor, name: str) -> None:
        async with turns.one(who):
            order.append(name)

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(turns.one(red))
        waiting = [asyncio.create_task(wait(red2, "red2"))]
        await asyncio.sleep(0)
        for key in (red, red2):
            with pytest.raises(HTTPException) as refused:
                await wait(key, "never")
            assert refused.value.status_code == 503
        waiting.append(asyncio.create_task(wait(blue, "blue")))
        await stack.enter_async_context(turns.one(admin))
        # Administrators share nothing: their places are theirs.
        waiting += [asyncio.create_task(wait(admin, "admin")) for _ in range(3)]
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    assert sorted(order) == ["admin", "admin", "admin", "blue", "red2"]
    await wait(red, "again")


async def test_a_key_asks_only_so_often_in_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 6_000.0
    monkeypatch.setattr("custom_router.per_minute.time.monotonic", lambda: now)
    rate = PerMinute(2)
    red, red2, admin = [await visitor(f"Bearer {key}") for key in ("red", "red2", "admin")]
    for _ in range(2):
        admit(red, rate, "things")
    with pytest.raises(HTTPException, match="2 things a minute") as refused:
        admit(red, rate, "things")
    assert (refused.value.status_code, refused.value.headers) == (429, {"retry-after": "60"})
    admit(red2, rate, "things")
    for _ in range(9):
        admit(admin, rate, "things")
    now += 60
    admit(red, rate, "things")
