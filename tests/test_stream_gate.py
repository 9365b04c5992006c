"""How long a stream is held, what becomes of a read that is under way, and when one that lost is closed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from litellm.types.utils import ModelResponseStream

from custom_router.attempts import Attempt
from custom_router.lifecycle import GateTicket
from custom_router.litellm_adapter import stream_gate
from custom_router.litellm_adapter.held import HeldStream
from custom_router.litellm_adapter.stream_gate import StreamGate, _hold
from custom_router.records.pending import Pending
from custom_router.request import CallType
from custom_router.tiers import Tier
from tests.test_gating import record, ticket

PREFIX = {"streaming": "prefix", "prefix": {"tokens": 100, "milliseconds": 1}}


def piece(text: str) -> ModelResponseStream:
    return ModelResponseStream(choices=[{"index": 0, "delta": {"content": text}}])


def text(event: Any) -> str:
    return str(event.choices[0].delta.content)


class Source:
    """A stream of pieces; a None waits for `more`."""

    def __init__(self, name: str, log: list[str], *pieces: str | None) -> None:
        self.more = asyncio.Event()
        self._name, self._log, self._pieces = name, log, pieces

    async def events(self) -> AsyncGenerator[Any, None]:
        try:
            for given in self._pieces:
                if given is None:
                    await self.more.wait()
                else:
                    yield piece(given)
                    self._log.append(f"{self._name}: {given}")
        finally:
            self._log.append(f"{self._name} closed")


def hold(source: Source) -> HeldStream:
    return HeldStream(source.events(), CallType.CHAT, strip=False)


async def test_a_beginning_is_held_no_longer_than_its_time_though_nothing_else_comes() -> None:
    source = Source("cheap", log := [], "Par", None, "is")
    held = hold(source)
    async with asyncio.timeout(60):
        assert await _hold(held, ticket(**PREFIX)) is None
    assert (held.ended, held.so_far.answer("").text) == (False, "Par")
    source.more.set()
    assert [text(event) async for event in held] == ["Par", "is"], "the read that was under way is not lost"
    assert log[-1] == "cheap closed"


async def test_a_stream_is_closed_in_the_middle_of_a_read() -> None:
    held = hold(Source("cheap", log := [], "Par", None))
    await _hold(held, ticket(**PREFIX))
    await held.close()
    assert log == ["cheap: Par", "cheap closed"]
    assert held.ended


async def test_what_breaks_a_stream_before_its_time_is_told() -> None:
    async def events() -> AsyncGenerator[Any, None]:
        yield piece("Par")
        raise TimeoutError("the provider's own")

    gate = {"streaming": "prefix", "prefix": {"tokens": 100, "milliseconds": 60_000}}
    held = HeldStream(events(), CallType.CHAT, strip=False)
    assert isinstance(await _hold(held, ticket(**gate)), TimeoutError)


@pytest.mark.parametrize("pieces", [['{"answer": "A B"} Sorry, rest'], ['{"answer": "A B', '"} Sorry', ", rest"]])
async def test_text_after_a_structured_answer_is_not_lost(pieces: list[str]) -> None:
    held = HeldStream(Source("cheap", [], *pieces).events(), CallType.CHAT, strip=False, structured=True)
    assert "Sorry, rest" in "".join([text(event) async for event in held])


class Desk:
    """A `TicketDesk` whose gate always takes the frontier's stream."""

    def __init__(self, held: GateTicket, ended: list[str]) -> None:
        self.found = ("t", Pending(record(), time.perf_counter(), {}, {}), held)
        self.runtime = SimpleNamespace(
            end=lambda *_: ended.append("end"), gate_closed=lambda _: None, billed=lambda *_: ended.append("billed")
        )

    def ticket(self, data: object) -> Any:
        return self.found

    def structured(self, *_: object) -> bool:
        return False

    def judged(self, *_: object) -> bool:
        return True

    def tier(self, pending: object, response: object, asked: Tier = Tier.SIMPLE) -> Tier:
        return asked

    def named(self, response: object, answer: Any) -> Any:
        return answer

    def groups(self, *_: object) -> list[str]:
        return ["g"]

    def note_delivered(self, *_: object) -> None:
        pass

    async def settle(self, data: Any, user: Any, found: Any, first: Attempt, ask: Any) -> Attempt:
        assert first.partial
        return cast(Attempt, await ask(data, found, Tier.FRONTIER, True))


async def test_an_abandoned_stream_is_closed_before_the_chosen_one_is_passed_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log: list[str] = []
    cheap, better = Source("cheap", log, "Ly", None), Source("better", log, "Pa", "ris")

    async def ask_group(*_: object, **__: object) -> Any:
        return better.events()

    async def bill_partial(stream: Any) -> bool:
        log.append("billed")
        return True

    monkeypatch.setattr(stream_gate, "ask_group", ask_group)
    monkeypatch.setattr(stream_gate, "bill_partial", bill_partial)
    desk = Desk(ticket(**PREFIX), log)
    given = [text(event) async for event in StreamGate(cast(Any, desk)).stream({}, None, cheap.events())]
    assert given == ["Pa", "ris"]
    assert log == ["cheap: Ly", "billed", "cheap closed", "better: Pa", "better: ris", "better closed"]
