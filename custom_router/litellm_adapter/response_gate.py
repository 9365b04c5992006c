"""The gate on whole responses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from custom_router.attempts import Attempt
from custom_router.litellm_adapter.answers import strip_logprobs, with_usage_of
from custom_router.litellm_adapter.signal_requests import client_wants_logprobs
from custom_router.litellm_adapter.tickets import Found, TicketDesk
from custom_router.litellm_adapter.upstream import Accounted, ask_group
from custom_router.tiers import Tier


class ResponseGate:
    """Judges a whole response before the client gets it. One that is not gated passes through untouched."""

    def __init__(self, desk: TicketDesk) -> None:
        self._desk = desk

    async def answered(self, data: Mapping[str, Any], user: Any, response: Any) -> Any:
        """The response to deliver in place of `response`; None to leave it as it is."""
        found = self._desk.ticket(data)
        if found is None:
            return None
        token, pending, ticket = found
        strip = not client_wants_logprobs(data)
        try:
            if not self._desk.judged(pending, ticket, response):
                if strip:
                    strip_logprobs(response)
                return None
            first = self._desk.whole(self._desk.tier(pending, response), ticket, response)
            given = [response]

            async def ask(data: Mapping[str, Any], found: Found, tier: Tier, last: bool) -> Attempt:
                higher = await self._ask(data, found, tier)
                given.append(higher.payload)
                return higher

            delivered = await self._desk.settle(data, user, found, first, ask)
            payload = delivered.payload
            if strip:
                strip_logprobs(payload)
            if payload is not response:
                self._desk.note_delivered(pending, delivered)
            others = [other for other in given if other is not payload]
            if ticket.policy.document.gate.usage == "sum" and others:
                return with_usage_of(payload, others)
            return None if payload is response else payload
        finally:
            self._desk.runtime.gate_closed(token)

    async def _ask(self, data: Mapping[str, Any], found: Found, tier: Tier) -> Attempt:
        token, pending, ticket = found
        groups = self._desk.groups(pending, ticket, tier)
        with Accounted(ticket):
            higher = await ask_group(ticket.view.call_type, data, groups, token, stream=False)
        return self._desk.whole(self._desk.tier(pending, higher, tier), ticket, higher)
