"""Orchestrates one decision: stages in order, each with its deadline, and `decide` at the end."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from threadpoolctl import threadpool_limits

from custom_router import metrics
from custom_router.causes import Cause
from custom_router.classify.base import Classifier, Scores
from custom_router.classify.baselines import ConstantClassifier, RandomClassifier
from custom_router.classify.embedding import EmbeddingClassifier
from custom_router.conversations import Conversations
from custom_router.decide import decide
from custom_router.decision import NO_LIMITS, Capability, Circumstances, Decision
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
from custom_router.domains.screen import DomainScreen
from custom_router.encoder import Encoder, MiniLMEncoder, StaticEncoder
from custom_router.encoder.worker import EncoderWorker, EncodingFailed
from custom_router.policy import Caller, Finding, Mode, Policy, PolicyError
from custom_router.policy.watch import PolicyWatcher
from custom_router.request import RequestView
from custom_router.tiers import Tier

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Installed:
    """A policy and what was compiled from it, swapped in one assignment."""

    policy: Policy
    rules: Mapping[str, DomainRules]


@dataclass(frozen=True, slots=True)
class _Models:
    """What reads a request's text, loaded together because all are fitted on one pair of encoder versions.

    `static`, `head` and `screen` run in the event loop on every request; `domains` reads the sentence encoder's
    vector, which only the requests that `screen` lets through pay for.
    """

    static: StaticEncoder
    head: EmbeddingClassifier
    screen: DomainScreen
    domains: DomainModel

    @classmethod
    def load(cls, encoder: Encoder) -> _Models:
        static = StaticEncoder.load()
        return cls(
            static=static,
            head=EmbeddingClassifier.load(encoder_version=static.version),
            screen=DomainScreen.load(static_version=static.version, encoder_version=encoder.version),
            domains=DomainModel.load(encoder_version=encoder.version),
        )


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
        self._models: _Models | None = None
        self.watcher = PolicyWatcher(path, self._install, fallback=fallback)
        conversations = self.policy.document.conversations
        self.conversations = Conversations(capacity=conversations.capacity, ttl_s=conversations.ttl_minutes * 60)
        self.encoder = EncoderWorker(load_encoder, self._load_models)

    @classmethod
    def from_policy(cls, path: str | Path) -> RouterEngine:
        """An engine for a policy file. Raises `PolicyError`."""
        return cls(path)

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self._current.policy

    @property
    def _current(self) -> _Installed:
        assert self._installed is not None  # set by the watcher's constructor
        return self._installed

    def start(self) -> None:
        """Serve: load the encoder in the background and watch the policy file."""
        self.watcher.start()
        self.encoder.start()

    def close(self) -> None:
        """Stop the background threads."""
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
        patient: bool = False,
    ) -> Decision:
        """Decide one request within the latency budget.

        `hopeless` are tiers that the gate's recent verdicts say are not worth trying.

        `patient` waits for every stage however long it takes, and runs even those that cannot change the tier.

        `tenant` separates conversations of different keys. Never raises for anything about the request.
        """
        installed = self._current
        document = installed.policy.document
        caller = caller or Caller(max_tier=document.callers.max_tier, min_tier=document.callers.min_tier)
        if document.mode is Mode.OFF:
            return decide(view, None, caller, installed.policy, Circumstances(capabilities))
        timer = _StageTimer()
        fingerprint = view.fingerprint(tenant)
        floor = self.conversations.floor(fingerprint) if view.turns else None
        budget = document.latency_budget_ms
        rules_s = budget.rules / 1000
        matches = named_by_caller(caller)
        matches += matched_by_rules(installed.rules, document.domains, caller, view.searched, rules_s)
        timer.lap("rules")
        domain = strictest(matches, document.domains, caller.max_tier)
        around = Circumstances(capabilities, floor, domain, hopeless=hopeless)
        scores: Scores | None = None
        if patient or not _settled(view, caller, around, installed.policy):
            deadline_s = None if patient else budget.encoder / 1000
            scores, around = await self._classify(view, caller, installed.policy, around, matches, deadline_s, timer)
        decision = decide(view, scores, caller, installed.policy, around)
        # Not what shadow served: the default tier would then be every later turn's floor, and the record wrong.
        self.conversations.reach(fingerprint, decision.tier)
        timer.lap("decide")
        return replace(decision, latency_ms=timer.laps)

    async def decide_many(self, views: Iterable[RequestView], caller: Caller | None = None) -> list[Decision]:
        """Decide many requests in order, waiting for the models. Raises `EncoderUnavailable` if they cannot load."""
        if self.needs_encoder():
            self.encoder.load_now()
        # Each is a conversation of its own: a shared memory would make the order, and earlier batches, matter.
        return [await self.decide(v, caller, tenant=uuid.uuid4().hex, patient=True) for v in views]

    async def _classify(
        self,
        view: RequestView,
        caller: Caller,
        policy: Policy,
        around: Circumstances,
        matches: Sequence[DomainMatch],
        deadline_s: float | None,
        timer: _StageTimer,
    ) -> tuple[Scores | None, Circumstances]:
        """The classifier's scores, and the domain model's word where the screen cannot do without it."""
        domains = policy.document.domains
        stage = "classify"
        try:
            if not self.needs_encoder():
                return self._classifier(policy).score(view, None), around
            models = self._models
            if models is None:
                self.encoder.start()
                raise EncodingFailed(Cause.ENCODER_UNAVAILABLE)
            read = models.static.read(view.bounded)
            scores = self._classifier(policy).score(view, read.vector)
            if thresholds := asked_of_model(domains, caller):
                ood = models.head.ood(view, read.vector, scores)
                asked = models.screen.could_match(read.embeddings, ood, thresholds)
                metrics.DOMAIN_SCREEN.labels("encoded" if asked else "skipped").inc()
                if asked:
                    timer.lap(stage)
                    stage = "encoder"
                    vector = await self.encoder.encode(view.bounded, deadline_s)
                    found = matched_by_model(models.domains.probabilities(vector), domains, caller)
                    around = replace(around, domain=strictest([*matches, *found], domains, caller.max_tier))
            return scores, around
        except EncodingFailed as failure:
            return _failed(around, failure.cause)
        except Exception:
            # A defect in a classifier must not fail the request; it goes up with a cause and leaves a trace.
            logger.exception("classifier failed")
            return _failed(around, Cause.CLASSIFIER_ERROR)
        finally:
            timer.lap(stage)

    def needs_encoder(self) -> bool:
        """Whether the policy in force uses the trained head or the domain model, which are loaded with the encoder."""
        document = self.policy.document
        return document.classifier.kind == "embedding" or any(
            domain.threshold is not None for domain in document.domains.values()
        )

    def _classifier(self, policy: Policy) -> Classifier:
        settings = policy.document.classifier
        if settings.kind == "constant":
            return ConstantClassifier(settings.constant)
        if settings.kind == "random":
            return RandomClassifier()
        assert self._models is not None  # the encoder worker is ready only after its models are
        return self._models.head

    def _load_models(self, encoder: Encoder) -> None:
        # The products here are small: more threads gain nothing, and spinning they double the proxy's CPU time.
        threadpool_limits(1, user_api="blas")
        self._models = _Models.load(encoder)

    def _install(self, policy: Policy) -> None:
        self._accept(policy)
        domains = policy.document.domains
        known = sorted(DomainModel.shipped())
        unknown = [name for name, rule in domains.items() if rule.threshold is not None and name not in known]
        if unknown:
            told = f"the domain model knows {known} only; remove it"
            raise PolicyError([Finding(policy.source, 0, f"domains.{name}.threshold", told) for name in unknown])
        rules = {name: DomainRules.compile(name, domain.rules) for name, domain in domains.items()}
        self._installed = _Installed(policy, rules)


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


def _failed(around: Circumstances, cause: Cause) -> tuple[None, Circumstances]:
    metrics.STAGE_FAILURES.labels(cause.value).inc()
    return None, replace(around, failures=(cause,))


class _StageTimer:
    """Milliseconds between laps."""

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self.laps: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.laps[stage] = round((now - self._last) * 1000, 3)
        self._last = now
