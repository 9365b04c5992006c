"""Requests as the cache reads them from LiteLLM's data, and the answers that it may keep."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from custom_router.cache.key import CacheTenant
from custom_router.confidence.base import Expectations
from custom_router.lifecycle import Ending
from custom_router.litellm_adapter.answers import read_answer
from custom_router.litellm_adapter.deployments import TierFacts
from custom_router.litellm_adapter.held import AnswerSoFar
from custom_router.litellm_adapter.reading import attribute, team_of, text_or_none, token_in
from custom_router.litellm_adapter.tickets import TicketDesk
from custom_router.litellm_adapter.upstream import body_of
from custom_router.question import Question
from custom_router.request import CallType

# What other hooks may have put beside what the client sent, and what would change the answer.
_ADDED = (
    "messages", "prompt", "input", "instructions", "system", "tools", "functions", "tool_choice", "response_format",
    "text", "temperature", "top_p", "max_tokens", "max_completion_tokens", "max_output_tokens", "stop", "seed",
    "previous_response_id", "prompt_id", "prompt_variables",
)  # fmt: skip
_NOT_SENT = ("litellm_metadata", "fallbacks", "context_window_fallbacks", "content_policy_fallbacks", "num_retries")
"""Fields of a body that are the proxy's business and that the router answers for."""


class CacheAnswers:
    """Tells the cache of requests and of what came of them."""

    def __init__(self, desk: TicketDesk) -> None:
        self._desk = desk
        self._caching = desk.runtime.caching
        self._caching.deployed = desk.deployments

    def question(self, data: Mapping[str, Any], user: Any, expected: Expectations, facts: TierFacts) -> Question:
        """A request as the cache needs it: as it goes upstream, whatever other hooks made of it; its tenant as LiteLLM
        authenticated it."""
        sent = body_of(data)
        names = [*(name for name in sent if name not in _NOT_SENT), *_ADDED]
        return Question(
            body={name: data[name] for name in dict.fromkeys(names) if name in data},
            tenant=CacheTenant(
                key=text_or_none(attribute(user, "token")) or text_or_none(attribute(user, "api_key")),
                team=team_of(user),
                org=text_or_none(attribute(user, "org_id")),
            ),
            expected=expected,
            group=facts.cache_group,
            models=f"{data['model']} {facts.models}",
        )

    def whole(self, data: Mapping[str, Any], response: Any) -> None:
        """A whole response that the client gets."""
        token = token_in(data)
        view = self._caching.expected(token) if token is not None else None
        if token is None or view is None:
            return
        self._caching.answered(token, read_answer(view.call_type, response, ""))

    def stream(self, data: Mapping[str, Any], events: AsyncGenerator[Any, None]) -> AsyncGenerator[Any, None]:
        """The events of a stream, as they are; the cache learns what they amount to."""
        token = token_in(data)
        if token is None:
            return events
        view = self._caching.expected(token)
        if view is not None:
            return self._kept(token, view.call_type, events)
        pending = self._desk.runtime.pending.get(token)
        return self._given(token, events) if pending is not None and pending.hit is not None else events

    async def _kept(self, token: str, kind: CallType, events: AsyncGenerator[Any, None]) -> AsyncGenerator[Any, None]:
        so_far, answer = AnswerSoFar(kind), None
        try:
            async with aclosing(events):
                async for event in events:
                    so_far.feed(event)
                    yield event
            if so_far.error is None:
                answer = so_far.answer("")
        finally:
            self._caching.answered(token, answer)

    async def _given(self, token: str, events: AsyncGenerator[Any, None]) -> AsyncGenerator[Any, None]:
        finished = False
        try:
            async with aclosing(events):
                async for event in events:
                    yield event
            finished = True
        finally:
            if not finished:
                # The client has left. LiteLLM does not always report that, and everything about a hit is known.
                self._desk.runtime.end(token, Ending("ok", cost=0.0, alternatives=self._desk.of_hit(token)))
