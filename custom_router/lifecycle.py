"""What happens to a request between its arrival and its record. Plain data, free of LiteLLM types."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from custom_router.confidence.base import Expectations
from custom_router.decision import Decision
from custom_router.policy import Caller, Policy
from custom_router.records.record import Tenant, TokenFields
from custom_router.request import RequestView
from custom_router.tiers import Tier


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a request is apart from its content."""

    entry_model: str
    tenant: Tenant
    litellm_call_id: str | None
    conversation_scope: str
    began: float
    """`time.perf_counter()` at which the hook was entered."""
    request_id: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass(frozen=True, slots=True)
class Served:
    """Which deployment answered: its model group, id and place in the group's order (1 is first choice)."""

    group: str
    deployment: str | None
    order: int = 1


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer of the cache's as it is given, whichever of the four APIs asks. `tokens` are those of its first time,
    `group` is the model group that gives it."""

    text: str
    tier: Tier
    model: str
    tokens: TokenFields
    group: str


@dataclass(frozen=True, slots=True)
class Ending:
    """How the client's own call ended. Durations in milliseconds, `cost` in dollars or None where LiteLLM knows no
    price, `alternatives` the dollars for its tokens at each tier."""

    status: str
    served: Served | None = None
    error: str | None = None
    tokens: TokenFields | None = None
    cost: float | None = None
    ttft_ms: float | None = None
    alternatives: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bill:
    """What one of the gate's own calls came to: another `answer`, of which `deployment`, or only a judgement.
    `alternatives` as in `Ending`."""

    answer: bool
    cost: float | None = None
    tokens: TokenFields | None = None
    alternatives: Mapping[str, float] = field(default_factory=dict)
    deployment: str | None = None


@dataclass(slots=True)
class GateTicket:
    """A request whose answer the gate judges: what it was, and what the gate's own calls have cost so far.

    The record is complete when the client's call has ended, the gate is `closed`, and each of the gate's own calls has
    been billed (`unbilled` is 0).
    """

    view: RequestView
    policy: Policy
    caller: Caller
    decision: Decision
    expected: Expectations
    closed: bool = False
    unbilled: int = 0
    ending: Ending | None = None
    """How the client's own call ended, until the rest has."""
    broke: str | None = None
    """What broke the answer that took the first one's place, once the client had begun to get it."""
    extra_cost: float = 0.0
    """Dollars for opinions and self-checks: what judging cost."""
    escalation_cost: float = 0.0
    """Dollars for the answers that took the first one's place, or were to."""
    priced: bool = True
    """Whether LiteLLM knew a price for each of the gate's own calls."""
    asked_logprobs: set[str] = field(default_factory=set)
    """Deployments that the gate asked for log probabilities, where the client had not."""
    structured: set[str] = field(default_factory=set)
    """Deployments that were asked to write a confidence beside their answer."""
    answers: list[Bill] = field(default_factory=list)
    """What each answer of the gate's own calls came to, of those of which tokens were reported."""
    replaced: bool = False
    """Whether another answer took the first one's place, and `replaced_by`, which deployment gave that."""
    replaced_by: str | None = None

    @property
    def replacement(self) -> Bill | None:
        """What the answer that was delivered came to; None where that is the first one, and until it is billed."""
        if not self.replaced:
            return None
        given = [bill for bill in self.answers if bill.deployment == self.replaced_by] or self.answers
        return given[-1] if given else None

    @property
    def done(self) -> bool:
        """Whether the gate has nothing more to say or to pay."""
        return self.closed and self.unbilled <= 0

    def add(self, bill: Bill) -> None:
        """Note what a call came to."""
        self.unbilled -= 1
        self.priced &= bill.cost is not None or bill.tokens is None
        if bill.answer:
            self.escalation_cost += bill.cost or 0.0
            if bill.tokens is not None:
                self.answers.append(bill)
        else:
            self.extra_cost += bill.cost or 0.0
