"""One process's router at work: the engine, the requests under way and their records. Free of LiteLLM types."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from custom_router.caching import Caching
from custom_router.caller_problems import CallerProblems
from custom_router.causes import Cause
from custom_router.confidence.base import Expectations
from custom_router.decision import Capability, Decision
from custom_router.engine import RouterEngine
from custom_router.escalation import hopeless
from custom_router.gating import Calibrations, Gatekeeper, is_gated
from custom_router.headers import decision_headers
from custom_router.lifecycle import Arrival, Bill, Ending, GateTicket, Served
from custom_router.log_context import begin_request
from custom_router.policy import Caller, Mode, Policy
from custom_router.policy.history import PolicyHistory
from custom_router.question import NOT_LOOKED, Question
from custom_router.recent_requests import RecentRequests
from custom_router.records.cost import Price, cost_of, processor_cost
from custom_router.records.finished import FinishedRecords
from custom_router.records.late import LateRecords
from custom_router.records.opened import open_record
from custom_router.records.pending import Pending, PendingRecords
from custom_router.records.record import CacheFields, DecisionRecord, OutcomeFields, TokenFields
from custom_router.records.scoring import opinion_of
from custom_router.records.sinks import JsonLinesSink, RecordSink
from custom_router.request import RequestView
from custom_router.state_gauges import StateGauges
from custom_router.tiers import TIERS, Tier

logger = logging.getLogger(__name__)


class Runtime:
    """Begins requests, gives their headers, ends them. One per process."""

    def __init__(self, engine: RouterEngine, sink: RecordSink, calibrations: Calibrations | None = None) -> None:
        self.engine = engine
        self.sink = sink
        self.pending = PendingRecords()
        self.finished = FinishedRecords(sink)
        self._late = LateRecords(self.finished.add)
        self.gatekeeper = Gatekeeper(engine.encoder, calibrations or Calibrations())
        self.caching = Caching(engine)
        self.caller_problems = CallerProblems()
        self.recent = RecentRequests()
        self.stopping = threading.Event()
        self.gauges = StateGauges(self)

    @classmethod
    def serve(cls, policy_path: str | Path, accept: Callable[[Policy], None] = lambda policy: None) -> Runtime:
        """Start a router for a policy file, in the background where it can be; `close` it at the end.

        A policy that cannot be used does not stop the proxy: everything goes to the frontier, `/router/health` says
        why, and a mended file applies. `accept` may refuse a policy, by raising `PolicyError`.
        """
        calibrations = Calibrations()

        def accept_all(policy: Policy) -> None:
            accept(policy)
            calibrations.accept(policy)

        engine = RouterEngine(policy_path, fallback=Policy.safe(str(policy_path)), accept=accept_all)
        settings = engine.policy.document.records
        sink = JsonLinesSink(
            settings.directory,
            segment_bytes=int(settings.segment_mb * 2**20),
            keep=settings.keep_segments,
            queue_size=settings.queue,
        )
        engine.watcher.tell(PolicyHistory(sink.directory / "policy").note)
        runtime = cls(engine, sink, calibrations)
        engine.start()
        runtime.gauges.start()
        return runtime

    async def begin(
        self,
        view: RequestView,
        caller: Caller,
        arrival: Arrival,
        capabilities: Mapping[Tier, Capability],
        prices: Mapping[Tier, Price] | None = None,
        expected: Expectations | None = None,
        repeatable: bool = True,
        question: Question | None = None,
    ) -> tuple[str, Pending, Decision]:
        """Decide a request and hold its record. The token is what later events name it by. Never raises.

        `prices` tell whether a tier whose answers are often escalated is worth trying. `expected` is the form that the
        request demands of its answer, which the gate checks. `repeatable` is False for a request that leans on what
        one provider remembers, which no other could answer. `question` lets it be answered from the cache:
        `pending.hit` is then the stored answer to give.
        """
        begin_request(arrival.request_id)
        policy = self.engine.policy
        self.caller_problems.note(arrival.tenant, caller)
        try:
            decision = await self.engine.decide(
                view,
                caller,
                tenant=arrival.conversation_scope,
                capabilities=capabilities,
                hopeless=hopeless(self.gatekeeper.rates.of(arrival.tenant.account), policy.document, prices or {})
                if repeatable
                else frozenset(),
            )
        except Exception:
            # Whatever is wrong with the router, the request goes on, dearer rather than not at all.
            logger.exception("decision failed; the default tier answers")
            decision = undecided(policy, caller)
        looked = NOT_LOOKED
        if question is not None:
            looked = await self.caching.look(view, caller, decision, policy, question)
        record = open_record(view, caller, arrival, decision)
        # Not the request's id, which its caller sees and could send back in the metadata of another request.
        token = secrets.token_hex(16)
        tiers = policy.document.tiers
        record.model_group = tiers[decision.served].model
        overhead_s = time.perf_counter() - arrival.began - looked.waited_s
        record.latency_ms = {**decision.latency_ms, "overhead": round(overhead_s * 1000, 3)}
        looked.tell(record)
        pending = Pending(record, arrival.began, {}, {tiers[t].model: t.value for t in TIERS}, hit=looked.hit)
        pending.opinion = opinion_of(decision)
        if pending.hit is None and repeatable and is_gated(view, caller, decision, policy):
            record.gate.mode = policy.document.gate.streaming if view.stream else "whole"
            pending.ticket = GateTicket(view, policy, caller, decision, expected or Expectations())
        pending.headers = decision_headers(record)
        self.pending.put(token, pending)
        self.recent.add(record.request_id, decision, caller, hit=pending.hit is not None)
        self.caching.expect(token, looked, view, caller, policy)
        for lost in self.pending.expired():
            self._late.put(lost)
        return token, pending, decision

    def headers(self, token: str, served: Served | None) -> dict[str, str] | None:
        """Response headers of a request under way; None for a request that is not ours."""
        pending = self.pending.get(token)
        if pending is None:
            return self.pending.ended_headers(token)
        if served is not None:
            _note_served(pending, served)
        pending.headers = decision_headers(pending.record)
        return pending.headers

    def under_way(self, token: str) -> DecisionRecord | None:
        """The record of a request that has not ended, as far as it has come."""
        pending = self.pending.get(token)
        return pending.record if pending is not None else None

    def end(self, token: str, ending: Ending) -> DecisionRecord | None:
        """The client's own call has ended: complete and write the record.

        None when it has already ended or is not ours, and when the gate has not finished with it: the record is then
        completed by `gate_closed` or `billed`.
        """
        pending = self.pending.get(token)
        if pending is not None and pending.ticket is not None and ending.status == "ok" and not pending.ticket.done:
            pending.ticket.ending = ending
            return None
        pending = self.pending.take(token)
        if pending is None:
            return None
        record, ticket = pending.record, pending.ticket
        if ending.served is not None:
            _note_served(pending, ending.served)
        if ending.status == "error" and pending.unaffordable:
            record.note(Cause.FALLBACK_OVER_BUDGET)
        if pending.hit is not None and ending.status == "ok":
            ending = replace(ending, tokens=pending.hit.tokens, cost=0.0)
        delivered = (ticket.replacement if ticket else None) or ending
        record.tokens = delivered.tokens or TokenFields()
        # Where the answer that took its place broke, the first one is still to be paid for.
        billed = ending if ending.status == "ok" else ticket.ending if ticket else None
        billed = ending if billed is None and ending.cost is not None else billed
        if billed is not None:
            record.cost = cost_of(
                billed.cost,
                delivered.alternatives,
                escalation=ticket.escalation_cost if ticket else 0.0,
                self_check=ticket.extra_cost if ticket else 0.0,
                priced=ticket.priced if ticket else True,
                embedding=processor_cost(record.latency_ms, self.engine.policy.document.costs.cpu_usd_per_hour),
            )
        broke = ticket.broke if ticket else None
        record.outcome = OutcomeFields("error", broke) if broke else OutcomeFields(ending.status, ending.error)
        record.latency_ms["total"] = round((time.perf_counter() - pending.began) * 1000, 3)
        if record.stream and ending.ttft_ms is not None:
            record.latency_ms.setdefault("ttft", round(ending.ttft_ms, 3))
        # LiteLLM reports a failure before it asks for the failed response's headers.
        self.pending.remember_ended(token, decision_headers(record))
        self._late.put(pending)
        self.caching.ended(token, record)
        pending.ended.set()
        return record

    def gate_closed(self, token: str) -> DecisionRecord | None:
        """The gate has delivered its answer. Completes the record where everything else has happened."""
        pending = self.pending.get(token)
        if pending is not None and pending.ticket is not None and (higher := pending.record.gate.escalated_to):
            # What continues this turn, the next step of a tool loop say, goes on where it was answered.
            self.engine.conversations.settle(pending.ticket.decision.turn, Tier(higher))
        return self._advance(token, lambda ticket: setattr(ticket, "closed", True))

    def billed(self, token: str, bill: Bill) -> DecisionRecord | None:
        """One of the gate's own calls has ended. Completes the record where everything else has happened."""
        return self._advance(token, lambda ticket: ticket.add(bill))

    def _advance(self, token: str, change: Callable[[GateTicket], None]) -> DecisionRecord | None:
        pending = self.pending.get(token)
        if pending is None or pending.ticket is None:
            return None
        change(pending.ticket)
        waiting = pending.ticket.ending
        return self.end(token, waiting) if waiting is not None and pending.ticket.done else None

    def health(self) -> dict[str, Any]:
        """State of every part, for `/router/health`. `status` is `ok` or `degraded`."""
        status = self.engine.watcher.status
        encoder = self.engine.encoder
        needs_encoder = self.engine.needs_encoder()
        vllm = self.engine.classification.vllm_health(self.engine.policy)
        degraded = bool(status.findings) or (needs_encoder and encoder.state != "ready")
        degraded = degraded or (vllm["needed"] and vllm["state"] != "ready")
        cache = self.caching.health()
        degraded = degraded or cache["error"] is not None
        return {
            "status": "degraded" if degraded else "ok",
            "policy": {
                "version": status.version,
                "mode": self.engine.policy.document.mode.value,
                "source": status.source,
                "loaded_at": status.loaded_at,
                "reloads": status.reloads,
                "failures": status.failures,
                "findings": [str(finding) for finding in status.findings],
            },
            "encoder": {"state": encoder.state, "needed": needs_encoder, "error": encoder.error},
            "vllm": vllm,
            "cache": cache,
            "callers": {"malformed": self.caller_problems.report()},
            "requests_under_way": len(self.pending),
        }

    def close(self) -> None:
        """Stop the threads and put every record on disk, requests without an end included."""
        self.stopping.set()
        self.gauges.close()
        self.engine.close()
        self.caching.close()
        for pending in self.pending.drain():
            self._late.put(pending)
        self._late.drain()
        if isinstance(self.sink, JsonLinesSink) and not self.sink.flush():
            logger.error("%d decision records did not reach the disk before shutdown", self.sink.waiting)


def undecided(policy: Policy, caller: Caller) -> Decision:
    """The decision of last resort: the default tier, under the caller's cap."""
    from custom_router.decide import decide

    off = replace(policy, document=policy.document.model_copy(update={"mode": Mode.OFF}))
    view = RequestView.from_chat({"messages": [{"role": "user", "content": ""}]})
    plain = decide(view, None, caller, off)
    return replace(
        plain, causes=(Cause.ENGINE_ERROR, *plain.causes[1:]), set_by=Cause.ENGINE_ERROR, mode=policy.document.mode
    )


def _note_served(pending: Pending, served: Served) -> None:
    record = pending.record
    if record.gate.escalated_to is not None:
        return  # LiteLLM knows the first answer's deployment, not the one's that took its place
    if pending.hit is not None and served.group in pending.group_tier:
        # What was to give the stored answer could not, so LiteLLM fell back to a tier.
        pending.hit = None
        record.tier = pending.group_tier[served.group]
        record.cache = CacheFields("miss", guard="lost")
        record.note(Cause.CACHE_LOST)
    record.deployment = served.deployment
    record.model_group = served.group
    tier = pending.group_tier.get(served.group, record.tier)
    if tier != record.tier:
        record.tier = tier
        record.note(Cause.TIER_FALLBACK)
    elif served.order > 1:
        record.note(Cause.PROVIDER_FALLBACK)
