"""The gate at work: judges answers one tier after another until one is good enough or nothing higher may be asked.

Free of LiteLLM types. How a tier is asked, and what an answer's payload is (a response, a held stream), is the
caller's; this decides whether to ask and what to deliver.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from typing import Any

import numpy as np
from cachetools import LRUCache

from custom_router.attempts import Attempt, Judged, Upstream
from custom_router.causes import Cause
from custom_router.confidence.assess import Assessment, Similarity, assess
from custom_router.confidence.base import Failure, Opinion
from custom_router.confidence.calibrate import GateArtifact, GateRefused, judge
from custom_router.confidence.gate import Verdict
from custom_router.confidence.logprobs import own_confidence, own_reading
from custom_router.confidence.rates import EscalationRates
from custom_router.confidence.text import failures
from custom_router.decision import Decision
from custom_router.encoder.worker import EncoderWorker, EncodingFailed
from custom_router.escalation import Surroundings, next_tier, reachable, refusal
from custom_router.judging import may_be_judged
from custom_router.lifecycle import GateTicket
from custom_router.policy import Caller, Finding, Mode, Policy, PolicyError
from custom_router.records.record import DecisionRecord
from custom_router.request import RequestView
from custom_router.tiers import Tier

logger = logging.getLogger(__name__)

SELF_CHECK_S = 3.0
"""Seconds a model has for the one token in which it judges its own answer."""
_SIMILARITY_DEADLINE_S = 0.3
_COMPARED_CHARS = 1_000
_SEEN_AT_THE_END = (Failure.INVALID_JSON, Failure.SCHEMA_MISMATCH, Failure.INVALID_TOOL_CALL)
"""Faults that the beginning of any good answer of that form would show."""


def is_gated(view: RequestView, caller: Caller, decision: Decision, policy: Policy) -> bool:
    """Whether this request's answer will be judged.

    Never where the policy requires the tier that answered (a domain with `gate: bypass`), where the caller declines,
    nor in shadow, where nothing may change.
    """
    if decision.mode is not Mode.ENFORCE or decision.gate_bypass or decision.served is Tier.FRONTIER:
        return False
    return may_be_judged(view, policy.document)


class Calibrations:
    """The gate artifact of each policy lately in force."""

    def __init__(self) -> None:
        self._held: LRUCache[object, GateArtifact] = LRUCache(8)

    def of(self, policy: Policy) -> GateArtifact:
        """The calibration that a policy names, else the shipped one. Raises `GateRefused` when it cannot be used."""
        if (held := self._held.get(policy.key)) is None:
            held = self._held[policy.key] = GateArtifact.load(policy.beside(policy.document.gate.artifact))
        return held

    def accept(self, policy: Policy) -> None:
        """Load a policy's calibration before the policy applies. Raises `PolicyError` when it cannot be used."""
        try:
            self.of(policy)
        except GateRefused as error:
            raise PolicyError([Finding(policy.source, 0, "gate.artifact", str(error))]) from error


class Gatekeeper:
    """Judges answers and walks up the tiers. One per process."""

    def __init__(self, encoder: EncoderWorker, calibrations: Calibrations) -> None:
        self._encoder = encoder
        self._calibrations = calibrations
        self.rates = EscalationRates()

    def calibration(self, policy: Policy) -> GateArtifact:
        """What a policy's answers are judged with. Raises `GateRefused`."""
        return self._calibrations.of(policy)

    async def settle(
        self, ticket: GateTicket, record: DecisionRecord, first: Attempt, upstream: Upstream, around: Surroundings
    ) -> Attempt:
        """The attempt to deliver. `record` is told what happened; never raises but for cancellation, unless the first
        attempt was broken and nothing else answered, which raises what broke it."""
        began = time.perf_counter()
        try:
            return await self._walk(ticket, record, first, upstream, around)
        except asyncio.CancelledError:
            record.note(Cause.CLIENT_GONE)
            raise
        finally:
            held = (time.perf_counter() - began) * 1000
            record.gate.held_ms = round((record.gate.held_ms or 0.0) + held, 3)

    async def _walk(
        self, ticket: GateTicket, record: DecisionRecord, first: Attempt, upstream: Upstream, around: Surroundings
    ) -> Attempt:
        walked = [await self._judged(ticket, record, first, (), upstream)]
        wanted = walked[0].verdict is Verdict.ESCALATE
        if wanted:  # most answers are delivered, and nobody need ask what their callers may still spend
            around = replace(around, remaining_usd=await upstream.remaining_usd())
        if (target := next_tier(ticket, first.tier, around)) is not None:
            escalated = wanted and refusal(ticket, first.answer, walked[0].thought, target, around) is None
            self.rates.observe(record.tenant.account, first.tier, escalated)
        while walked[-1].verdict is Verdict.ESCALATE:
            target = next_tier(ticket, walked[-1].attempt.tier, around)
            last = target is not None and target is reachable(ticket, around)[-1]
            higher = await self._higher(ticket, record, walked[-1], target, upstream, around, last=last)
            if higher is None:
                break
            # Not always the tier that was asked: where that was out, one above it may have answered.
            record.gate.escalated_to = higher.tier.value
            if last or higher.answer is None:
                return higher
            earlier = tuple(judged.attempt for judged in walked)
            walked.append(await self._judged(ticket, record, higher, earlier, upstream))
        best = max(walked, key=lambda judged: judged.worth)
        if best is not walked[-1]:
            record.gate.escalated_to = None if best is walked[0] else best.attempt.tier.value
            _tell(record, best)
        if best.attempt.broken is not None:
            raise best.attempt.broken
        return best.attempt

    async def _higher(
        self,
        ticket: GateTicket,
        record: DecisionRecord,
        judged: Judged,
        target: Tier | None,
        upstream: Upstream,
        around: Surroundings,
        *,
        last: bool,
    ) -> Attempt | None:
        """A higher tier's answer; None where none may be asked for, or none came. `record` is told which."""
        refused = refusal(ticket, judged.attempt.answer, judged.thought, target, around)
        if refused is not None or target is None:
            record.note(refused or Cause.GATE_OVER_CAP)
            return None
        record.note(_reason(judged.thought))
        try:
            async with asyncio.timeout(ticket.policy.document.gate.deadline_s):
                return await upstream.ask(target, last)
        except TimeoutError:
            record.note(Cause.GATE_ESCALATION_TIMEOUT)
        except Exception as error:  # noqa: BLE001 - whatever it is, an answer in hand is delivered
            logger.warning("escalation to %s failed: %s", target.value, type(error).__name__)
            record.note(Cause.GATE_ESCALATION_FAILED)
        return None

    async def _judged(
        self,
        ticket: GateTicket,
        record: DecisionRecord,
        attempt: Attempt,
        earlier: tuple[Attempt, ...],
        upstream: Upstream,
    ) -> Judged:
        """The attempt, what is thought of it, and the verdict, which `record` is told."""
        attempt, thought = await self._judge(ticket, record, attempt, earlier, upstream)
        judged = Judged(attempt, thought, self._verdict(ticket, attempt, thought))
        _tell(record, judged)
        return judged

    async def _judge(
        self,
        ticket: GateTicket,
        record: DecisionRecord,
        attempt: Attempt,
        earlier: tuple[Attempt, ...],
        upstream: Upstream,
    ) -> tuple[Attempt, Assessment]:
        """The attempt, with what its model says of it where that was asked, and what is thought of it."""
        if attempt.answer is None:
            return attempt, Assessment(failures=(Failure.EMPTY,) if attempt.broken is not None else ())
        try:
            attempt = await _self_checked(ticket, attempt, upstream)
            answer = attempt.answer
            assert answer is not None
            opinions = tuple(
                Opinion(other.model, other.text, own_confidence(other))
                for attempted in earlier
                if (other := attempted.answer) is not None and not attempted.partial
            )
            similarity = await self._similarity([answer.text, *(o.answer for o in opinions)]) if opinions else None
            judged = assess(
                ticket.view,
                replace(answer, opinions=(*answer.opinions, *opinions)),
                ticket.expected,
                self._calibrations.of(ticket.policy),
                segment=_segment(ticket),
                similarity=similarity,
            )
            return attempt, replace(judged, failures=_faults(attempt, judged))
        except Exception:
            # A defect in a signal must not fail a request that has been answered.
            logger.exception("the gate failed to judge an answer")
            record.note(Cause.GATE_ERROR)
            return attempt, Assessment()

    def _verdict(self, ticket: GateTicket, attempt: Attempt, judged: Assessment) -> Verdict:
        decision = ticket.decision
        domain = decision.domain.name if decision.domain else None
        thresholds = ticket.policy.document.gate.thresholds(attempt.tier, domain, ticket.caller.teams)
        return Verdict.NONE if thresholds is None else judge(judged.calibrated, judged.failures, thresholds)

    async def _similarity(self, texts: list[str]) -> Similarity | None:
        """Cosines between these texts' vectors; None where the encoder cannot say, and words are compared instead."""
        vectors: dict[str, Any] = {}
        try:
            for text in dict.fromkeys(texts):
                if text.strip():
                    vectors[text] = await self._encoder.encode(text[:_COMPARED_CHARS], _SIMILARITY_DEADLINE_S)
        except EncodingFailed:
            return None

        def cosine(a: str, b: str) -> float:
            known = a in vectors and b in vectors
            return float(np.dot(vectors[a], vectors[b])) if known else float(a.strip() == b.strip())

        return cosine


def _faults(attempt: Attempt, judged: Assessment) -> tuple[Failure, ...]:
    found = tuple(fault for fault in judged.failures if not (attempt.partial and fault in _SEEN_AT_THE_END))
    return (*found, Failure.SCHEMA_MISMATCH) if attempt.misshapen else found


async def _self_checked(ticket: GateTicket, attempt: Attempt, upstream: Upstream) -> Attempt:
    """The attempt with its model's own check, where the policy wants one and nothing better tells its confidence."""
    answer = attempt.answer
    if answer is None or attempt.partial or "self_check" not in ticket.policy.document.gate.signals:
        return attempt
    reading = own_reading(answer)
    if reading is not None and reading[1] != "words":
        return attempt
    if answer.tool_calls or answer.unread or failures(ticket.view, answer, ticket.expected):
        return attempt
    try:
        async with asyncio.timeout(SELF_CHECK_S):
            said = await upstream.self_check(attempt)
    except TimeoutError:
        return attempt
    except Exception as error:  # noqa: BLE001 - the check is not the answer: without it nothing more is known
        logger.warning("self-check of the %s tier failed: %s", attempt.tier.value, type(error).__name__)
        return attempt
    if said is None:
        return attempt
    return replace(attempt, answer=replace(answer, confidence=said, confidence_kind="p_true_logprob"))


def _reason(judged: Assessment) -> Cause:
    if judged.failures:
        return Cause.GATE_FAILURE
    return Cause.GATE_NO_SIGNAL if judged.confidence is None else Cause.GATE_LOW_CONFIDENCE


def _segment(ticket: GateTicket) -> str | None:
    """The slice of traffic that a calibration may be for: the team, else the domain."""
    domain = ticket.decision.domain
    return ticket.caller.team_alias or (domain.name if domain else None)


def _tell(record: DecisionRecord, judged: Judged) -> None:
    answer, thought = judged.attempt.answer, judged.thought
    record.gate.source = thought.source
    record.gate.model = answer.model if answer is not None else None
    record.gate.confidence = None if thought.confidence is None else round(thought.confidence, 6)
    faults = {f"fault_{failure.value}": 1.0 for failure in thought.failures}
    record.gate.signals = {**record.gate.signals, **thought.signals, **faults}
    record.gate.verdict = judged.verdict.value
