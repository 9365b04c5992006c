"""The stage that reads a request's text: head, domain screen, sentence encoder, vLLM, each where it can matter."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from custom_router import metrics
from custom_router.causes import Cause
from custom_router.classify.base import Scores
from custom_router.classify.baselines import ConstantClassifier, RandomClassifier
from custom_router.classify.hybrid import combined, worth_asking
from custom_router.classify.opinion import Opinion
from custom_router.classify.vllm import VllmClassifier
from custom_router.decision import Reading
from custom_router.encoder.worker import EncoderWorker, EncodingFailed
from custom_router.models import Models
from custom_router.policy import Policy
from custom_router.policy.classifier import VllmPolicy
from custom_router.request import RequestView
from custom_router.score_cache import ScoreCache, reading_key
from custom_router.stage_timer import StageTimer

logger = logging.getLogger(__name__)


class Classification:
    """Owns the models, the vLLM classifier and the remembered readings; borrows the sentence encoder."""

    def __init__(self, encoder: EncoderWorker) -> None:
        self._encoder = encoder
        self._models: Models | None = None
        self._vllm: VllmClassifier | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._cache: tuple[tuple[object, int], ScoreCache] | None = None

    def use(self, models: Models) -> None:
        """Read with these models from now on. Any thread."""
        self._models = models

    @property
    def models(self) -> Models | None:
        """What requests are read with; None until it has been loaded."""
        return self._models

    def warm(self, policy: Policy) -> None:
        """Load a new policy's head here, in the caller's thread, if the models are there, and have the serving loop
        turn to its vLLM server. Raises `HeadRefused`."""
        if self._models is not None:
            self._models.heads.of(policy)
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has been closed
                self._loop.call_soon_threadsafe(self._turn_to, policy)

    async def read(
        self,
        view: RequestView,
        asked: Mapping[str, float],
        policy: Policy,
        *,
        tenant: str,
        patient: bool,
        timer: StageTimer,
        rehearsal: bool = False,
    ) -> Reading:
        """Scores, and the domain model's word where the screen cannot do without it.

        `asked` is the threshold of each domain that the model may name. `patient` waits for every stage. What is read
        in a `rehearsal` is neither remembered nor counted. Never raises: a failure is in the reading.
        """
        try:
            if not needs_models(policy):
                return Reading(_control(policy, view))
            models = self._models
            if models is None:
                self._encoder.start()
                raise EncodingFailed(Cause.ENCODER_UNAVAILABLE)
            cache = self._cache_for(policy, models)
            key = reading_key(view, asked, tenant)
            if not rehearsal and (known := cache.get(key)) is not None:
                timer.lap("classify")
                return replace(known, cached=True)
            reading = await self._read(view, asked, policy, models, patient, timer, rehearsal)
            if not rehearsal and reading.failure is None:
                cache.put(key, reading)
            return reading
        except EncodingFailed as failure:
            timer.lap("classify")
            return Reading(failure=failure.cause)
        except Exception:
            # A defect in a classifier must not fail the request; it goes up with a cause and leaves a trace.
            logger.exception("classifier failed")
            timer.lap("classify")
            return Reading(failure=Cause.CLASSIFIER_ERROR)

    async def _read(
        self,
        view: RequestView,
        asked: Mapping[str, float],
        policy: Policy,
        models: Models,
        patient: bool,
        timer: StageTimer,
        rehearsal: bool,
    ) -> Reading:
        budget = policy.document.latency_budget_ms
        text = models.static.read(view.bounded)
        head = models.heads.of(policy)
        own = head.score(view, text.vector) if policy.document.classifier.needs_head else _control(policy, view)
        opinion = vllm = None
        if worth_asking(own, policy.document):
            vllm = self._vllm_for(policy.document.classifier.vllm)
            opinion = vllm.ask(view, patient=patient)  # sent now, so that it thinks while the sentence encoder does
        domains = failure = None
        if asked:
            reachable = models.screen.could_match(text.embeddings, head.ood(view, text.vector, own), asked)
            if not rehearsal:
                metrics.DOMAIN_SCREEN.labels("encoded" if reachable else "skipped").inc()
            if reachable:
                timer.lap("classify")
                try:
                    vector = await self._encoder.encode(view.bounded, None if patient else budget.encoder / 1000)
                    domains = models.domains.probabilities(vector)
                except EncodingFailed as error:
                    failure = error.cause  # the head's word stands, and vLLM has been asked
        timer.lap("classify" if domains is None and failure is None else "encoder")
        if opinion is None or vllm is None:
            return Reading(own, domains=domains, failure=failure)
        await vllm.hear(opinion, None if patient else budget.vllm / 1000)
        timer.lap("vllm")
        scores = own
        if opinion.heard and opinion.rating is not None:
            scores = combined(own, opinion.rating, policy.document, vllm.version)
        return Reading(scores, own, domains, opinion, failure)

    def _cache_for(self, policy: Policy, models: Models) -> ScoreCache:
        made_for = (policy.key, id(models))
        if self._cache is None or self._cache[0] != made_for:
            self._cache = (made_for, ScoreCache(policy.document.classifier.cache))
        return self._cache[1]

    def _vllm_for(self, settings: VllmPolicy) -> VllmClassifier:
        """The classifier for these settings in the running loop; another one is closed in the background."""
        loop = asyncio.get_running_loop()
        held = self._vllm
        if held is None or held.settings != settings or held.loop is not loop:
            self._vllm = VllmClassifier(settings)
            if held is not None and held.loop is loop:
                _close(held)
        assert self._vllm is not None
        return self._vllm

    def prepare(self, policy: Policy) -> None:
        """Serve in the loop that is running here, if one is: begin to probe the policy's vLLM server, if it has one."""
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        self._turn_to(policy)

    def _turn_to(self, policy: Policy) -> None:
        settings = policy.document.classifier
        if settings.asks_vllm:
            self._vllm_for(settings.vllm)
        elif self._vllm is not None:
            _close(self._vllm)
            self._vllm = None

    def head_metadata(self, policy: Policy) -> Mapping[str, Any] | None:
        """What the artifact of the policy's head says of itself; None while it is not loaded, and without a head."""
        if self._models is None or not policy.document.classifier.needs_head:
            return None
        return self._models.heads.of(policy).metadata

    def vllm_health(self, policy: Policy) -> dict[str, Any]:
        """State of the vLLM classifier for `/router/health`."""
        needed = policy.document.classifier.asks_vllm
        held = self._vllm if self._vllm is not None and self._vllm.settings == policy.document.classifier.vllm else None
        if not needed:
            return {"needed": False, "state": "unused", "error": None}
        return {
            "needed": True,
            "state": held.state if held is not None else "starting",
            "error": held.client.error if held is not None else None,
        }


_closing: set[asyncio.Task[None]] = set()


def _close(vllm: VllmClassifier) -> None:
    _closing.add(closing := asyncio.ensure_future(vllm.close()))
    closing.add_done_callback(_closing.discard)


def needs_models(policy: Policy) -> bool:
    """Whether the policy uses the trained head or the domain model, which are loaded with the sentence encoder."""
    document = policy.document
    return document.classifier.needs_head or any(d.threshold is not None for d in document.domains.values())


def unheard(opinion: Opinion) -> Cause:
    """Why an opinion had no say."""
    return opinion.failure or Cause.VLLM_TIMEOUT


def _control(policy: Policy, view: RequestView) -> Scores:
    settings = policy.document.classifier
    control = ConstantClassifier(settings.constant) if settings.kind == "constant" else RandomClassifier()
    return control.score(view, None)
