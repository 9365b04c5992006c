"""Finished records that wait a moment for the vLLM classifier's late answer."""

from __future__ import annotations

from collections.abc import Callable

from custom_router.records.cost import charge_vllm
from custom_router.records.pending import Pending
from custom_router.records.record import DecisionRecord
from custom_router.records.scoring import vllm_fields


class LateRecords:
    """Hands records to `write` once their opinion has come or been given up, which takes two seconds at most."""

    def __init__(self, write: Callable[[DecisionRecord], None]) -> None:
        self._write = write
        self._waiting: dict[int, Pending] = {}

    def put(self, pending: Pending) -> None:
        """A request has ended. Call in the event loop that asked."""
        opinion = pending.opinion
        if opinion is None or opinion.task is None or opinion.task.done():
            self._finish(pending)
            return
        self._waiting[id(pending)] = pending
        opinion.task.add_done_callback(lambda _: self._arrived(pending))

    def drain(self) -> None:
        """Wait no longer, at shutdown."""
        while self._waiting:
            _, pending = self._waiting.popitem()
            self._finish(pending)

    def _arrived(self, pending: Pending) -> None:
        if self._waiting.pop(id(pending), None) is not None:
            self._finish(pending)

    def _finish(self, pending: Pending) -> None:
        if pending.opinion is not None:
            pending.record.scores.vllm = vllm_fields(pending.opinion)
            charge_vllm(pending.record.cost, pending.opinion.usd)
        self._write(pending.record)
