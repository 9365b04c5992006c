"""Orchestrates one decision: stages in order, each with its deadline, and `decide` at the end."""

from __future__ import annotations

import gc
import math
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from threadpoolctl import threadpool_limits

from custom_router.causes import Cause
from custom_router.classification import Classification, needs_models, unheard
from custom_router.classify.heads import accept as accept_head
from custom_router.conversations import Conversations, Place, place
from custom_router.decide import decide
from custom_router.decision import NO_LIMITS, Basis, Capability, Circumstances, Decision, Reading
from custom_router.domains.base import DomainMatch
from custom_router.domains.model import DomainModel
from custom_router.domains.recognise import (
    asked_of_model,
    matched_by_model,
    matched_by_rules,
    named_by_caller,
    strictest,
)
from custom_router.domains.rules import DomainRules
from custom_router.encoder import Encoder, MiniLMEncoder
from custom_router.encoder.worker import EncoderWorker
from custom_router.models import Models
from custom_router.policy import Caller, Finding, Mode, Policy, PolicyError
from custom_router.policy.schema import PolicyDocument
from custom_router.policy.watch import PolicyWatcher
from custom_router.request import RequestView
from custom_router.shared_floors import SharedFloors
from custom_router.stage_timer import StageTimer
from custom_router.tiers import Tier, higher
from custom_router.turns import Standing, TurnKind, stand


@dataclass(frozen=True, slots=True)
class _Installed:
    """A policy and what was compiled from it, swapped in one assignment."""

    policy: Policy
    rules: Mapping[str, DomainRules]


class RouterEngine:
    """Decides requests. Needs no network and no LiteLLM; `from_policy` is the way in.

    `decide` keeps to the policy's latency budget and sends a request up when a stage cannot. `decide_many` waits
    for every stage instead, and is what evaluations use.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        load_encoder: Callable[[], Encoder] = MiniLMEncoder.load,
        fallback: Policy | None = None,
        accept: Callable[[Policy], None] = lambda policy: None,
    ) -> None:
        """Loads no model yet. A file that cannot be used raises `PolicyError`, unless a `fallback` may serve.

        `accept` may refuse a policy for the surroundings' reasons, by raising `PolicyError`.
        """
        self._accept = accept
        self._installed: _Installed | None = None
        self.encoder = EncoderWorker(load_encoder, self._load_models)
        self.classification = Classification(self.encoder)
        self.watcher = PolicyWatcher(path, self._install, fallback=fallback)
        conversations = self.policy.document.conversations
        self.conversations = Conversations(capacity=conversations.capacity, ttl_s=conversations.ttl_minutes * 60)
        self.shared: SharedFloors | None = None
        """What other workers know of conversations; None for an engine that does not serve."""

    @classmethod
    def from_policy(cls, path: str | Path) -> RouterEngine:
        """An engine for a policy file. Raises `PolicyError`."""
        return cls(path)

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self._current.policy

    @property
    def rules(self) -> Mapping[str, DomainRules]:
        """The compiled rules of the policy in force, by domain."""
        return self._current.rules

    @property
    def _current(self) -> _Installed:
        assert self._installed is not None  # set by the watcher's constructor
        return self._installed

    def start(self) -> None:
        """Serve: load the encoder in the background, watch the policy file, share what conversations have reached."""
        self.shared = SharedFloors(self.policy.document.conversations.ttl_minutes * 60)
        self.watcher.start()
        self.encoder.start()
        self.classification.prepare(self.policy)

    def close(self) -> None:
        """Stop the background threads."""
        if self.shared is not None:
            self.shared.close()
        self.watcher.close()
        self.encoder.close()

    async def decide(
        self,
        view: RequestView,
        caller: Caller | None = None,
        *,
        tenant: str = "",
        capabilities: Mapping[Tier, Capability] = NO_LIMITS,
        hopeless: frozenset[Tier] = frozenset(),
        resumed: Tier | None = None,
        patient: bool = False,
        rehearsal: bool = False,
    ) -> Decision:
        """Decide one request within the latency budget.

        `hopeless` are tiers that the gate's recent verdicts say are not worth trying. `resumed` is the tier that gave
        the answer from which the request goes on (`view.resumes`); None where that is not known.

        `patient` waits for every stage however long it takes, and runs even those that cannot change the tier.
        `rehearsal` decides what nobody has sent: it is neither remembered nor counted.

        `tenant` separates conversations of different keys. Never raises for anything about the request.
        """
        installed = self._current
        document = installed.policy.document
        caller = caller or Caller(max_tier=document.callers.max_tier, min_tier=document.callers.min_tier)
        if document.mode is Mode.OFF:
            return decide(view, None, caller, installed.policy, Circumstances(capabilities))
        timer = StageTimer()
        standing = stand(view)
        here = place(view, tenant)
        turn = here.turn if standing.judged is view else place(standing.judged, tenant).turn
        around = Circumstances(
            capabilities, floor=await self._floor(here, document, timer, rehearsal), hopeless=hopeless
        )
        around = self._recalled(standing, turn, tenant, around)
        if view.resumes and document.mode is not Mode.SHADOW:  # what shadow served tells nothing of what was decided
            around = _resuming(standing, resumed, around)
        if standing.kind is not TurnKind.NEW:
            view = replace(view, signals=view.signals | standing.judged.signals)
        matches = named_by_caller(caller)
        rules_s = math.inf if patient else document.latency_budget_ms.rules / 1000
        searched = view.searched
        matches += matched_by_rules(installed.rules, document.domains, caller, searched, rules_s)
        timer.lap("rules")
        around = replace(around, domain=strictest(matches, document.domains, caller.max_tier))
        reading: Reading | None = None
        if patient or not _settled(view, caller, around, installed.policy):
            asked = asked_of_model(document.domains, caller)
            reading = await self.classification.read(
                standing.judged,
                asked,
                installed.policy,
                tenant=tenant,
                patient=patient,
                timer=timer,
                rehearsal=rehearsal,
            )
            around = _with_reading(around, reading, matches, caller, document)
        decision = decide(view, reading.scores if reading else None, caller, installed.policy, around)
        if not rehearsal:
            # Not what shadow served: the default tier would then be every later turn's floor, and the record wrong.
            self.conversations.reach(here.turn, decision.tier)
            self.conversations.settle(turn, decision.tier)
            if self.shared is not None and document.cache.redis is not None and document.conversations.sticky:
                self.shared.reach(document.cache.redis, here, decision.tier)
        timer.lap("decide")
        basis = Basis(view, standing.judged, searched, around)
        return replace(decision, latency_ms=timer.laps, reading=reading, turn=turn, basis=basis)

    async def decide_many(self, views: Iterable[RequestView], caller: Caller | None = None) -> list[Decision]:
        """Decide many requests in order, waiting for the models. Raises `EncoderUnavailable` if they cannot load."""
        if self.needs_encoder():
            self.encoder.load_now()
        # Each is a conversation of its own: a shared memory would make the order, and earlier batches, matter.
        return [await self.decide(v, caller, tenant=uuid.uuid4().hex, patient=True) for v in views]

    async def _floor(self, here: Place, document: PolicyDocument, timer: StageTimer, rehearsal: bool) -> Tier | None:
        """The tier that the conversation has reached as far as this worker knows, or of later turns any other."""
        floor, redis = self.conversations.floor(here.answered), document.cache.redis
        if self.shared is None or redis is None or rehearsal or not document.conversations.sticky:
            return floor
        if floor is Tier.FRONTIER or not (later := self.conversations.unknown(here.answered)):
            return floor
        found = await self.shared.floor(redis, here, later)
        timer.lap("recall")
        return found or floor

    def _recalled(self, standing: Standing, turn: bytes, tenant: str, around: Circumstances) -> Circumstances:
        """What became of the turn that this one continues."""
        if standing.continues is None:
            return around
        if standing.kind is TurnKind.FOLLOW_UP:
            return replace(around, followed=self.conversations.settled(place(standing.continues, tenant).turn))
        return replace(around, kept=self.conversations.settled(turn))

    def needs_encoder(self) -> bool:
        """Whether the policy in force uses the trained head or the domain model, which are loaded with the encoder."""
        return needs_models(self.policy)

    def _load_models(self, encoder: Encoder) -> None:
        # The products here are small: more threads gain nothing, and spinning they double the proxy's CPU time.
        threadpool_limits(1, user_api="blas")
        models = Models.load(encoder)
        models.heads.of(self.policy)
        self.classification.use(models)
        # What has been loaded by now stays. A full collection that walks it all, LiteLLM's share of it above all, holds
        # the event loop for nearly half a second, every few hundred requests.
        gc.collect()
        gc.freeze()

    def _install(self, policy: Policy) -> None:
        self._accept(policy)
        domains = policy.document.domains
        refuse_unknown_domains(policy)
        rules = {name: DomainRules.compile(name, domain.rules) for name, domain in domains.items()}
        accept_head(policy)
        # Here, not in the event loop at the first request that needs it.
        self.classification.warm(policy)
        self._installed = _Installed(policy, rules)


def refuse_unknown_domains(policy: Policy) -> None:
    """Raise `PolicyError` for a domain that asks the domain model, which does not know it."""
    known = sorted(DomainModel.shipped())
    domains = policy.document.domains
    if unknown := [name for name, rule in domains.items() if rule.threshold is not None and name not in known]:
        told = f"the domain model knows {known} only; remove it"
        raise PolicyError([Finding(policy.file_of(name), 0, f"domains.{name}.threshold", told) for name in unknown])


def _settled(view: RequestView, caller: Caller, around: Circumstances, policy: Policy) -> bool:
    """Whether no model could change anything, so that no vector needs to be paid for: the tier is the frontier, and
    the domain, which also rules the cache, the gate and the audit, is known or no model is asked for it."""
    if policy.document.mode is Mode.SHADOW:
        return False
    domain_known = around.domain is not None and around.domain.rule != "header"
    asks_model = any(domain.threshold is not None for domain in policy.document.domains.values())
    if asks_model and not domain_known and view.bounded:
        return False
    return decide(view, None, caller, policy, around).tier is Tier.FRONTIER


def _resuming(standing: Standing, resumed: Tier | None, around: Circumstances) -> Circumstances:
    """What is known of turns that only the provider has: at most the tier that answered them, in which they may have
    raised what no longer can be read. Not even that is as uncertain as a stage that failed."""
    if resumed is None:
        return replace(around, failures=(Cause.CONVERSATION_UNKNOWN,))
    if standing.continues is None and standing.kind in (TurnKind.TOOL_LOOP, TurnKind.CONFIRMATION):
        return replace(around, kept=resumed)
    return replace(around, followed=higher(around.followed or resumed, resumed))


def _with_reading(
    around: Circumstances,
    reading: Reading,
    matches: Sequence[DomainMatch],
    caller: Caller,
    document: PolicyDocument,
) -> Circumstances:
    found = matched_by_model(reading.domains or {}, document.domains, caller)
    opinion = reading.opinion
    return replace(
        around,
        domain=strictest([*matches, *found], document.domains, caller.max_tier),
        failures=around.failures + ((reading.failure,) if reading.failure else ()),
        unheard=unheard(opinion) if opinion is not None and not opinion.heard else None,
    )
