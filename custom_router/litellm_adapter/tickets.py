"""Requests that the gate judges, as LiteLLM's hooks name them, and what its deployments say about their answers."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from litellm.types.utils import Usage

from custom_router.attempts import Attempt
from custom_router.confidence.base import Answer
from custom_router.confidence.structured import StructuredInvalid, unwrap
from custom_router.deployments import Deployment
from custom_router.escalation import Surroundings, next_tier
from custom_router.lifecycle import GateTicket
from custom_router.litellm_adapter.answers import get, read_answer
from custom_router.litellm_adapter.budgets import read_budgets, remaining_budget
from custom_router.litellm_adapter.deployments import DeploymentTable
from custom_router.litellm_adapter.pricing import plain_usage
from custom_router.litellm_adapter.reading import token_in
from custom_router.litellm_adapter.upstream import Accounted, ask_self, call_in
from custom_router.records.pending import Pending
from custom_router.runtime import Runtime
from custom_router.tiers import TIERS, Tier

Found = tuple[str, Pending, GateTicket]
"""A gated request: its token, its record under way, its ticket."""
AskTier = Callable[[Mapping[str, Any], Found, Tier, bool], Awaitable[Attempt]]


class TicketDesk:
    """Finds a request's ticket, and tells which tier and model an answer is from."""

    def __init__(self, runtime: Runtime, deployments: DeploymentTable) -> None:
        self.runtime = runtime
        self.deployments = deployments

    async def settle(self, data: Mapping[str, Any], user: Any, found: Found, first: Attempt, ask: AskTier) -> Attempt:
        """The attempt to deliver, by the gate."""
        _, pending, ticket = found
        upstream = _Upstream(self, data, user, found, ask)
        around = self.around(ticket)
        return await self.runtime.gatekeeper.settle(ticket, pending.record, first, upstream, around)

    def ticket(self, data: Mapping[str, Any]) -> Found | None:
        """The gated request whose response a hook has in hand, until the gate has closed."""
        token = token_in(data)
        pending = self.runtime.pending.get(token) if token is not None else None
        if token is None or pending is None or pending.ticket is None or pending.ticket.closed:
            return None
        return token, pending, pending.ticket

    def gated(self, kwargs: Mapping[str, Any]) -> tuple[Pending, GateTicket] | None:
        """The gated request that a call is for, its own or one of the gate's."""
        call = call_in(kwargs)
        pending = self.runtime.pending.get(call[0]) if call is not None else None
        return None if pending is None or pending.ticket is None else (pending, pending.ticket)

    def whole(self, tier: Tier, ticket: GateTicket, response: Any) -> Attempt:
        """A whole response as an attempt, taken out of the form with a confidence where that was asked for."""
        answer = read_answer(ticket.view.call_type, response, "")
        if answer is None:
            return Attempt(tier, response)
        answer = self.named(response, answer)
        if not self.structured(ticket, response):
            return Attempt(tier, response, answer)
        try:
            text, said = unwrap(answer.text)
        except StructuredInvalid:
            return Attempt(tier, response, answer, misshapen=True)
        response.choices[0].message.content = text
        return Attempt(tier, response, with_own_word(replace(answer, text=text), said))

    def structured(self, ticket: GateTicket, response: Any) -> bool:
        """Whether the deployment that answered was asked to write a confidence beside its answer."""
        return response_model_id(response) in ticket.structured

    def judged(self, pending: Pending, ticket: GateTicket, response: Any) -> bool:
        """Whether the tier that really answered is judged: LiteLLM may have fallen back to the frontier."""
        domain = ticket.decision.domain.name if ticket.decision.domain else None
        tier = self.tier(pending, response)
        judged = ticket.policy.document.gate.thresholds(tier, domain, ticket.caller.teams) is not None
        if not judged:
            pending.record.gate.mode = "off"
        return judged

    def tier(self, pending: Pending, response: Any, asked: Tier | None = None) -> Tier:
        """The tier that really answered, which LiteLLM's fallbacks may have changed; `asked` where that is unknown."""
        deployment = self.deployments.by_id(response_model_id(response))
        name = pending.group_tier.get(deployment.group) if deployment is not None else None
        return Tier(name) if name else asked or Tier(pending.record.tier)

    def named(self, response: Any, answer: Answer) -> Answer:
        """The answer with the model that gave it."""
        deployment = self.deployments.by_id(response_model_id(response))
        return replace(answer, model=deployment.model if deployment is not None else "unknown")

    def may_judge(self, pending: Pending, ticket: GateTicket, deployment: Deployment) -> bool:
        """Whether an answer of this deployment would be judged."""
        name = pending.group_tier.get(deployment.group)
        domain = ticket.decision.domain.name if ticket.decision.domain else None
        gate = ticket.policy.document.gate
        return name is not None and gate.thresholds(Tier(name), domain, ticket.caller.teams) is not None

    def may_replace(self, pending: Pending, ticket: GateTicket, deployment: Deployment) -> bool:
        """Whether a higher tier could be asked for an answer in place of this deployment's."""
        name = pending.group_tier.get(deployment.group)
        return name is not None and next_tier(ticket, Tier(name), self.around(ticket)) is not None

    def note_delivered(self, pending: Pending, delivered: Attempt) -> None:
        record, ticket = pending.record, pending.ticket
        deployment = self.deployments.by_id(response_model_id(get(delivered.payload, "stream") or delivered.payload))
        record.tier = delivered.tier.value
        record.deployment = deployment.id if deployment is not None else None
        if ticket is not None:
            record.model_group = self.group(ticket, delivered.tier)
            ticket.replaced, ticket.replaced_by = True, record.deployment

    def group(self, ticket: GateTicket, tier: Tier) -> str:
        return ticket.policy.document.tiers[tier].model

    def groups(self, pending: Pending, ticket: GateTicket, tier: Tier) -> list[str]:
        """The group of a tier, and of those above it that the caller may have and the request may go to."""
        above = [t for t in TIERS if tier.rank < t.rank <= ticket.caller.max_tier.rank]
        return [self.group(ticket, t) for t in (tier, *(t for t in above if t not in pending.barred))]

    def around(self, ticket: GateTicket) -> Surroundings:
        """What limits an escalation but for the caller's budgets, which change by the moment."""
        facts = self.deployments.tier_facts(ticket.policy.document.tiers)
        return Surroundings(facts.prices, facts.capabilities)

    def alternatives(self, usage: Usage, model: str | None) -> dict[str, float]:
        """Dollars for the tokens of an answer of `model` at each tier's first deployment, by tier."""
        return self.deployments.alternatives(self.runtime.engine.policy.document.tiers, usage, model)

    def of_hit(self, token: str) -> dict[str, float]:
        """The same for the tokens of a request's stored answer; empty where it got none."""
        pending = self.runtime.pending.get(token)
        hit = pending.hit if pending is not None else None
        return self.alternatives(plain_usage(hit.tokens), None) if hit is not None else {}


def with_own_word(answer: Answer, probability: float | None) -> Answer:
    """The answer with the confidence that its model wrote beside it."""
    if probability is None:
        return answer
    said = math.log(probability) if probability > 0 else -math.inf
    return replace(answer, confidence=said, confidence_kind="verbal", tokens=())


class _Upstream:
    """The tiers behind LiteLLM's router, for one request."""

    def __init__(self, desk: TicketDesk, data: Mapping[str, Any], user: Any, found: Found, ask: AskTier) -> None:
        self._desk = desk
        self._data = data
        self._user = user
        self._found = found
        self._ask = ask

    async def ask(self, tier: Tier, last: bool) -> Attempt:
        return await self._ask(self._data, self._found, tier, last)

    async def remaining_usd(self) -> float | None:
        return remaining_budget(await read_budgets(self._user, self._data))

    async def self_check(self, attempt: Attempt) -> float | None:
        token, _, ticket = self._found
        deployment_id = response_model_id(get(attempt.payload, "stream") or attempt.payload)
        answerer = self._desk.deployments.by_id(deployment_id)
        if answerer is None or answerer.id is None or attempt.answer is None:
            return None
        if "top_logprobs" not in self._desk.deployments.logprobs_of(answerer.id):
            return None
        with Accounted(ticket):
            return await ask_self(
                ticket.view.call_type, self._data, ticket.view, attempt.answer.text, answerer.id, token
            )


def response_model_id(response: Any) -> object:
    return get(get(response, "_hidden_params"), "model_id")
