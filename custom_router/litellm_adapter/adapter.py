"""LiteLLM's hooks in terms of `Runtime`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, MutableMapping
from contextlib import suppress
from typing import Any

from custom_router.escalation import unaffordable
from custom_router.lifecycle import Arrival, Bill, Ending, Served
from custom_router.litellm_adapter.answers import is_repeatable, read_expectations
from custom_router.litellm_adapter.budgets import read_budgets, remaining_budget
from custom_router.litellm_adapter.cache_answers import CacheAnswers
from custom_router.litellm_adapter.cache_provider import StoredAnswers
from custom_router.litellm_adapter.deployments import DeploymentTable, TierFacts
from custom_router.litellm_adapter.named_tiers import FALLBACKS, entry_asked, hold_to_cap, take_out
from custom_router.litellm_adapter.pricing import billed_in_vain, paid, tokens_of, usage_of
from custom_router.litellm_adapter.reading import (
    TOKEN,
    allowed_fallbacks,
    attribute,
    milliseconds,
    publish,
    read_caller,
    read_tenant,
    router_settings,
    text_or_none,
    token_in,
)
from custom_router.litellm_adapter.response_gate import ResponseGate
from custom_router.litellm_adapter.signal_requests import SignalRequests
from custom_router.litellm_adapter.stream_gate import StreamGate
from custom_router.litellm_adapter.text_streams import client_wants_usage, without_usage
from custom_router.litellm_adapter.tickets import TicketDesk, response_model_id
from custom_router.litellm_adapter.tracing import annotate
from custom_router.litellm_adapter.unbilled import put_right
from custom_router.litellm_adapter.upstream import call_in
from custom_router.log_context import about
from custom_router.policy import resolve_caller
from custom_router.records.record import DecisionRecord
from custom_router.request import CallType, RequestView
from custom_router.runtime import Runtime
from custom_router.tiers import TIERS

_CALL_TYPES = {
    "completion": CallType.CHAT,
    "acompletion": CallType.CHAT,
    "text_completion": CallType.COMPLETION,
    "atext_completion": CallType.COMPLETION,
    "responses": CallType.RESPONSES,
    "aresponses": CallType.RESPONSES,
    "anthropic_messages": CallType.MESSAGES,
}


_COMPLETED_S = 1.0


class LiteLLMAdapter:
    """LiteLLM's hooks in terms of `Runtime`. Every method tolerates whatever LiteLLM hands it."""

    def __init__(self, runtime: Runtime, deployments: DeploymentTable | None = None) -> None:
        self.runtime = runtime
        self._deployments = deployments or DeploymentTable()
        self._desk = desk = TicketDesk(runtime, self._deployments)
        self.signals = SignalRequests(desk)
        self.stored_answers = StoredAnswers(runtime.pending)
        self._responses = ResponseGate(desk)
        self._streams = StreamGate(desk)
        self._cache = CacheAnswers(desk)

    async def pre_call(
        self, data: MutableMapping[str, Any], user: Any, call_type: str
    ) -> MutableMapping[str, Any] | None:
        """Route a request that asks for an entry model: `data["model"]` becomes a tier's group. None: not ours.

        One that is not routed still keeps to its caller's cap, or is refused."""
        began = time.perf_counter()
        policy = self.runtime.engine.policy.document
        kind = _CALL_TYPES.get(call_type)
        deployments = self._deployments.all()
        model = entry_asked(data, deployments, policy)
        if kind is None or model is None:
            return hold_to_cap(data, user, call_type, deployments, policy)
        take_out(data)
        # `stream` and friends may have been moved or set by LiteLLM; the shape it was sent in is still there.
        view = RequestView.from_body(kind, data)
        budgets = await read_budgets(user, data)
        caller = read_caller(policy, user, data, budgets)
        arrival = Arrival(
            entry_model=model,
            tenant=read_tenant(user),
            litellm_call_id=text_or_none(data.get("litellm_call_id")),
            conversation_scope=str(attribute(user, "api_key") or ""),
            began=began,
        )
        facts = self._tier_facts()
        expected = read_expectations(kind, data)
        token, pending, decision = await self.runtime.begin(
            view,
            caller,
            arrival,
            facts.capabilities,
            facts.prices,
            expected,
            repeatable=is_repeatable(data),
            question=self._cache.question(data, user, expected, facts),
        )
        above = {t for t in TIERS if decision.served.rank < t.rank <= caller.max_tier.rank}
        pending.unaffordable = unaffordable(view, facts.prices, remaining_budget(budgets)) & above
        if pending.ticket is not None and not view.stream:
            _log_after_gate(data)
        data["model"] = pending.record.model_group
        if kind is CallType.CHAT and view.stream and not client_wants_usage(data):
            # We ask for the usage (`SignalRequests`); this has LiteLLM keep it from the client.
            data["_litellm_strip_stream_usage"] = True
        if pending.hit is not None:
            # Should the stored answer not be given after all, the best tier answers: no gate would judge a cheap one.
            best = max({decision.served} | above - pending.unaffordable, key=lambda tier: tier.rank)
            data["fallbacks"] = [{pending.hit.group: [policy.tiers[best].model]}]
        elif (allowed := allowed_fallbacks(policy, caller, decision, pending.unaffordable)) is not None:
            data.update(dict.fromkeys(FALLBACKS, allowed))
        self._mark(data, token, pending.record)
        return data

    async def classify(self, context: Any) -> str | None:
        """The tier for a request of LiteLLM's Auto Router, under the caller's limits. None: it cannot be read."""
        view = RequestView.from_chat({"messages": list(context.structured_messages or context.raw_messages or ())})
        if view.malformed:
            return None
        policy = self.runtime.engine.policy.document
        metadata = context.metadata if isinstance(context.metadata, Mapping) else {}
        caller = resolve_caller(
            policy,
            team_settings=router_settings(metadata.get("user_api_key_team_metadata")),
            key_settings=router_settings(metadata.get("user_api_key_metadata")),
            team=text_or_none(metadata.get("user_api_key_team_id")),
            team_alias=text_or_none(metadata.get("user_api_key_team_alias")),
        )
        decision = await self.runtime.engine.decide(
            view,
            caller,
            tenant=str(metadata.get("user_api_key_hash") or ""),
            capabilities=self._tier_facts().capabilities,
        )
        return decision.served.value

    def response_headers(
        self, data: Mapping[str, Any], response: Any, call_info: Mapping[str, Any] | None
    ) -> dict[str, str] | None:
        """The `x-router-*` headers of a routed request; None for any other, and for a stream that the gate holds,
        whose headers come with its first event."""
        token = token_in(data)
        if token is None:
            return None
        headers = self.runtime.headers(token, self._served((call_info or {}).get("model_id")))
        return self._streams.without_verdict(token, response, headers)

    async def answered(self, data: Mapping[str, Any], user: Any, response: Any) -> Any:
        """A whole response before the client gets it: the one to deliver in its place, or None."""
        if (token := token_in(data)) is not None and isinstance(response, Mapping):
            # Those of /v1/messages: when headers are asked for, LiteLLM no longer says which deployment answered.
            self.runtime.headers(token, self._served(response_model_id(response)))
        delivered = await self._responses.answered(data, user, response)
        self._cache.whole(data, response if delivered is None else delivered)
        return delivered

    def stream(self, data: Mapping[str, Any], user: Any, response: Any) -> AsyncGenerator[Any, None]:
        """The events to send to the client in place of those of a stream."""
        events = self._cache.stream(data, self._streams.stream(data, user, response))
        token = token_in(data)
        record = self.runtime.under_way(token) if token is not None else None
        if record is None or record.call_type != CallType.COMPLETION or client_wants_usage(data):
            return events
        return without_usage(events)

    async def succeeded(self, kwargs: MutableMapping[str, Any], began: Any) -> None:
        """A request was answered (a stream: to its end, or to where the client left): complete its record.

        Also puts the finished record where LiteLLM's own loggers look for metadata.
        """
        params = kwargs.get("litellm_params") or {}
        call = call_in(params)
        if call is None:
            return
        token, purpose = call
        under_way = self.runtime.under_way(token)
        with about(under_way.request_id if under_way is not None else None):
            known = self._ended(token, purpose, kwargs, began) or under_way
            if purpose is None:
                await self._complete(token)
        # Each of the calls behind a request is logged by itself; the last one carries the finished record, the others
        # what is known by then.
        if known is not None:
            told = known.as_dict()
            for holder in (params, kwargs.get("standard_logging_object")):
                publish(holder, told)
            annotate(params, known)

    async def _complete(self, token: str) -> None:
        """Wait a moment for the gate, which finishes with a stream just after LiteLLM has, so that what is logged holds
        its verdict. LiteLLM logs in tasks of their own, which nobody waits for."""
        pending = self.runtime.pending.get(token)
        if pending is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(_COMPLETED_S):
                    await pending.ended.wait()

    def _ended(
        self, token: str, purpose: str | None, kwargs: MutableMapping[str, Any], began: Any
    ) -> DecisionRecord | None:
        """Note what one call came to; the record, where it is complete with that."""
        payload = kwargs.get("standard_logging_object") or {}
        model_id, usage = payload.get("model_id"), usage_of(payload)
        tokens = tokens_of(usage)
        spent = paid(kwargs.get("response_cost"), usage, self._deployments.rates(model_id))
        put_right(kwargs, payload, spent)
        # LiteLLM loses the usage of some stored answers on its way to us.
        elsewhere = self._desk.alternatives(usage, self._deployments.model_of(model_id)) or self._desk.of_hit(token)
        if purpose is not None:
            return self.runtime.billed(
                token, Bill(purpose == "answer", spent, tokens, elsewhere, text_or_none(model_id))
            )
        return self.runtime.end(
            token,
            Ending(
                status="ok",
                served=self._served(model_id, payload.get("model_group")),
                tokens=tokens,
                cost=spent,
                ttft_ms=milliseconds(began, kwargs.get("completion_start_time")),
                alternatives=elsewhere,
            ),
        )

    def failed(self, data: Mapping[str, Any], error: BaseException) -> None:
        """A request ended in an error that the client sees: complete its record."""
        token = token_in(data)
        if token is None:
            return
        served = self._served(attribute(error, "litellm_model_id"), None)
        cost, tokens = billed_in_vain(data)
        ending = Ending(status="error", error=type(error).__name__, served=served, cost=cost, tokens=tokens)
        record = self.runtime.end(token, ending)
        if record is not None:
            annotate(data, record)

    def _mark(self, data: MutableMapping[str, Any], token: str, record: DecisionRecord) -> None:
        key = "litellm_metadata" if isinstance(data.get("litellm_metadata"), dict) else "metadata"
        held = data.get(key)
        metadata = held if isinstance(held, dict) else {}
        data[key] = metadata
        metadata[TOKEN] = token
        # What a request that fails is logged with; the whole record takes its place when the request ends well.
        publish({key: metadata}, {"request_id": record.request_id, "tier": record.tier, "causes": record.causes})
        annotate(data, record)

    def _served(self, model_id: object, group: object = None) -> Served | None:
        deployment = self._deployments.by_id(model_id)
        if deployment is not None:
            return Served(deployment.group, deployment.id, deployment.order)
        return Served(group, None) if isinstance(group, str) else None

    def _tier_facts(self) -> TierFacts:
        return self._deployments.tier_facts(self.runtime.engine.policy.document.tiers)


def _log_after_gate(data: Mapping[str, Any]) -> None:
    """Have LiteLLM log the answer after the response hooks instead of beside them, as it does for guardrails, so that
    what it logs holds the verdict."""
    logging = data.get("litellm_logging_obj")
    if logging is not None and hasattr(logging, "defer_async_logging"):
        logging.defer_async_logging = True
