"""Who may do what is dear, and who is sent away."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from fastapi import HTTPException

from custom_router.api.turns import Turns
from tests.api.app import visitor


async def test_few_at_once_some_wait_the_rest_are_refused() -> None:
    turns = Turns("things", at_once=2, waiting=1, deadline_s=60.0)
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
    turns = Turns("things", at_once=1, waiting=1, deadline_s=0.01)
    red = await visitor("Bearer red")
    with pytest.raises(HTTPException, match="too much is going on"):
        async with turns.one(red):
            await asyncio.sleep(60)
    async with turns.one(red):
        pass
