"""A deadline that a busy event loop does not eat."""

from __future__ import annotations

import asyncio
import socket
import threading
import time

import pytest

from custom_router.fair_timeout import fair_timeout


async def test_what_never_comes_is_given_up() -> None:
    with pytest.raises(TimeoutError):
        async with fair_timeout(0.01):
            await asyncio.Event().wait()


async def test_bytes_that_came_while_the_loop_was_busy_are_taken() -> None:
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)
    threading.Timer(0.05, theirs.sendall, [b"reply\n"]).start()
    asyncio.get_running_loop().call_soon(time.sleep, 0.5)  # others' work, ten deadlines long
    async with fair_timeout(0.05):
        assert await reader.readline() == b"reply\n"
    writer.close()
    theirs.close()


async def test_what_a_thread_made_while_the_loop_was_busy_is_taken() -> None:
    loop = asyncio.get_running_loop()
    made = loop.run_in_executor(None, time.sleep, 0.05)
    loop.call_soon(time.sleep, 0.5)
    async with fair_timeout(0.1):
        await made


async def test_there_may_be_no_limit() -> None:
    async with fair_timeout(None):
        await asyncio.sleep(0.01)


async def test_a_limit_that_was_kept_cancels_nothing_later() -> None:
    async with fair_timeout(0.01):
        pass
    await asyncio.sleep(0.05)


async def test_who_is_cancelled_is_cancelled() -> None:
    async def waiting() -> None:
        async with fair_timeout(60.0):
            await asyncio.Event().wait()

    task = asyncio.ensure_future(waiting())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_passes_through() -> None:
    with pytest.raises(KeyError):
        async with fair_timeout(60.0):
            raise KeyError
