"""An edit of the policy, tried: is it valid, and what would it have done. Nothing is applied, and no file is read."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from custom_router.decision import Reading
from custom_router.domains.recognise import asked_of_model
from custom_router.engine import refuse_unknown_domains
from custom_router.policy import Finding, Policy, PolicyError
from custom_router.policy.pasted import parse_pasted, unread
from custom_router.receipts.effect import Prepared, effect_of
from custom_router.receipts.preview import Deployed
from custom_router.recent_requests import RecentRequest
from custom_router.runtime import Runtime
from custom_router.stage_timer import StageTimer

READ_AGAIN = 50
"""Requests that are read again for one edit: each may cost the encoder's one thread tens of milliseconds."""


class Edits:
    """Tries edits, one at a time. For one event loop."""

    def __init__(self, runtime: Runtime, deployed: Deployed) -> None:
        self._runtime = runtime
        self._deployed = deployed
        self._turn = asyncio.Lock()

    async def check(self, text: str | None, overrides: str | None) -> dict[str, Any]:
        """`ok`, the `findings` that would keep the file from being loaded, and the `effect` on the last requests of
        this worker; null for an edit that is not valid."""
        async with self._turn:
            in_force = self._runtime.engine.policy
            try:
                after = await asyncio.to_thread(self._prepare, text, overrides, in_force)
            except PolicyError as error:
                return {"ok": False, "findings": [described(f) for f in error.findings], "effect": None}
            before = Prepared(in_force, self._runtime.engine.rules)
            return {"ok": True, "findings": [], "effect": await self._effect(before, after)}

    def _prepare(self, text: str | None, overrides: str | None, in_force: Policy) -> Prepared:
        policy = parse_pasted(text, overrides, in_force)
        refuse_unknown_domains(policy)
        self._deployed.refuse_unknown_groups(policy)
        try:
            return Prepared.of(policy)
        except ValueError as error:
            raise PolicyError([Finding(policy.source, 0, "domains", str(error))]) from error

    async def _effect(self, before: Prepared, after: Prepared) -> dict[str, Any]:
        requests = self._runtime.recent.newest_first()
        readings, unread_requests = await self._read_again(before.policy, after.policy, requests)
        facts = self._deployed.tier_facts(before.policy.document.tiers)
        finished = {made.request_id: made for made in list(self._runtime.finished.recent.values())}
        effect = await asyncio.to_thread(effect_of, before, after, requests, readings, finished, facts)
        effect.notes += [
            f"the last {len(requests)} requests that this worker holds in memory, each decided twice: with the policy "
            "in force and with the edit; other workers hold others",
            "costs are of one answer at its tier's first deployment's list price: no escalation, no cache hit",
            *unread(after.policy, before.policy),
            *_not_replayed(before.policy, after.policy),
        ]
        if unread_requests:
            effect.notes.append(f"{unread_requests} requests would have to be read again, and were judged without")
        return effect.as_dict()

    async def _read_again(
        self, before: Policy, after: Policy, requests: Sequence[RecentRequest]
    ) -> tuple[Mapping[str, Reading], int]:
        """Readings of the requests that were settled without one, or whose domains nobody had asked the model about."""
        found: dict[str, Reading] = {}
        left = 0
        for request in requests:
            asked = asked_of_model(after.document.domains, request.caller)
            asked_before = asked_of_model(before.document.domains, request.caller)
            if not _needs_reading(request.reading, asked, asked_before):
                continue
            if len(found) >= READ_AGAIN:
                left += 1
                continue
            found[request.request_id] = await self._runtime.engine.classification.read(
                request.basis.judged,
                asked,
                _without_vllm(before),
                tenant="",
                patient=True,
                timer=StageTimer(),
                rehearsal=True,
            )
        return found, left


def described(finding: Finding) -> dict[str, Any]:
    """A finding in plain types."""
    return {"file": finding.file, "line": finding.line, "path": finding.path, "message": finding.message}


def _needs_reading(reading: Reading | None, asked: Mapping[str, float], asked_before: Mapping[str, float]) -> bool:
    if reading is None:
        return True
    if reading.failure is not None or reading.domains is not None:
        return False
    # The screen ruled out what the thresholds of that time could have reached; a lower one may reach further.
    return any(threshold < asked_before.get(name, 2.0) for name, threshold in asked.items())


def _without_vllm(policy: Policy) -> Policy:
    """The policy with the embedding alone: trying an edit asks no other machine."""
    document = policy.document
    if not document.classifier.asks_vllm:
        return policy
    own = document.classifier.model_copy(update={"kind": "embedding"})
    return replace(policy, document=document.model_copy(update={"classifier": own}))


def _not_replayed(before: Policy, after: Policy) -> list[str]:
    now, then = before.document, after.document
    told = []
    if now.classifier.kind != then.classifier.kind or now.classifier.artifact != then.classifier.artifact:
        told.append("the scores are those of the classifier in force, not the edit's")
    if now.intents.keys() != then.intents.keys() or any(
        then.intents[n].examples != i.examples for n, i in now.intents.items()
    ):
        told.append("intents are those that were recognised then; new examples are not learned for this")
    if now.callers != then.callers:
        told.append(
            "limits under `callers` only narrow here: what keys and teams would have got from wider ones is not kept"
        )
    if now.gate != then.gate or now.cache != then.cache:
        told.append("the gate and the cache are not replayed")
    if now.conversations != then.conversations:
        told.append("conversations keep the tiers they had reached")
    return told
