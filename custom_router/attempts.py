"""Tiers' answers to one request, as the gate has them in hand. Free of LiteLLM types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from custom_router.confidence.assess import Assessment
from custom_router.confidence.base import Answer
from custom_router.confidence.gate import Verdict
from custom_router.tiers import Tier


@dataclass(frozen=True, slots=True)
class Attempt:
    """One tier's answer. `answer` is None for a stream that is passed on as it comes, and for one that broke.

    `misshapen` says that the model was asked for its answer and a confidence, and wrote something else; `partial` that
    `answer` is only the beginning of a stream.
    """

    tier: Tier
    payload: Any
    answer: Answer | None = None
    broken: BaseException | None = None
    misshapen: bool = False
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """An attempt, what is thought of it, and what becomes of it."""

    attempt: Attempt
    thought: Assessment
    verdict: Verdict

    @property
    def worth(self) -> tuple[bool, bool, int]:
        """Which of the answers in hand to deliver: a whole one, one without faults, the highest tier's."""
        return self.attempt.broken is None, not self.thought.failures, self.attempt.tier.rank


class Upstream(Protocol):
    """The tiers, for one request."""

    async def ask(self, tier: Tier, last: bool) -> Attempt:
        """A tier's answer to the same request. `last` says that it will be delivered whatever it is."""
        ...

    async def remaining_usd(self) -> float | None:
        """Dollars that the caller may still spend on this request, the answers that it has had included. None: no
        limit."""
        ...

    async def self_check(self, attempt: Attempt) -> float | None:
        """The log probability, by the model that gave it, that an answer is right. None where it cannot say."""
        ...
