"""The vLLM model as a second opinion: asked beside the decision, waited for until the deadline, kept if late."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress

import httpx
from circuitbreaker import CircuitBreaker, CircuitBreakerError

from custom_router.causes import Cause
from custom_router.classify.occupancy import Occupancy
from custom_router.classify.opinion import Opinion
from custom_router.classify.vllm_client import VllmClient
from custom_router.classify.vllm_reply import UnusableReply
from custom_router.fair_timeout import fair_timeout
from custom_router.policy.classifier import VllmPolicy
from custom_router.request import RequestView

logger = logging.getLogger(__name__)

MAX_UNDER_WAY = 64
MAX_UNHEARD = 4
"""Questions under way while the breaker is open: nobody waits for them, they are for comparison and recovery."""
FAILURES_TO_OPEN = 8
OPEN_SECONDS = 5


class _Unanswered(Exception):
    """No answer in time, or none at all."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause.value)
        self.cause = cause


class VllmClassifier:
    """Owns the client of the policy's server, a breaker and the questions under way. Belongs to one event loop."""

    def __init__(self, settings: VllmPolicy, client: VllmClient | None = None) -> None:
        """Must be made in the running loop."""
        self.settings = settings
        self.loop = asyncio.get_running_loop()
        self.client = client or VllmClient(settings)
        self._breaker = CircuitBreaker(
            failure_threshold=FAILURES_TO_OPEN,
            recovery_timeout=OPEN_SECONDS,
            expected_exception=_Unanswered,
            name="vllm",
        )
        self._guarded = self._breaker(self._wait)
        self._under_way: set[asyncio.Task[None]] = set()
        self._occupancy = Occupancy()
        self._told = ""
        self.client.start()

    @property
    def version(self) -> str:
        """Names the model in records."""
        return f"vllm/{self.settings.model}"

    @property
    def state(self) -> str:
        """`ready`, `starting`, `unavailable` or `breaker_open`."""
        if not self.client.ready.is_set():
            return "unavailable" if self.client.error else "starting"
        return "breaker_open" if self._breaker.opened else "ready"

    def ask(self, view: RequestView, *, patient: bool = False) -> Opinion:
        """Send the question and return at once. The answer fills the opinion whenever it comes, if within 2 s."""
        opinion = Opinion()
        limit = MAX_UNHEARD if self._breaker.opened else MAX_UNDER_WAY
        if not patient and not self.client.ready.is_set():
            opinion.failure = Cause.VLLM_UNAVAILABLE
        elif not patient and len(self._under_way) >= limit:
            opinion.failure = Cause.VLLM_BREAKER_OPEN if self._breaker.opened else Cause.VLLM_BUSY
        else:
            opinion.task = asyncio.ensure_future(self._answer(opinion, view, patient))
            self._under_way.add(opinion.task)
            opinion.task.add_done_callback(self._under_way.discard)
        return opinion

    async def hear(self, opinion: Opinion, deadline_s: float | None) -> None:
        """Wait for the answer, at most until the deadline; without one, for as long as it is waited for at all. Never
        raises."""
        if opinion.task is not None:
            try:
                if deadline_s is None:
                    await asyncio.wait({opinion.task})
                else:
                    await self._guarded(opinion, deadline_s)
                opinion.heard = opinion.rating is not None
            except CircuitBreakerError:
                opinion.failure = Cause.VLLM_BREAKER_OPEN
            except _Unanswered as unanswered:
                opinion.failure = unanswered.cause

    async def _wait(self, opinion: Opinion, deadline_s: float) -> None:
        assert opinion.task is not None
        with suppress(TimeoutError):
            async with fair_timeout(deadline_s):
                await asyncio.wait({opinion.task})
        if opinion.rating is None:
            raise _Unanswered(opinion.failure or Cause.VLLM_TIMEOUT)

    async def _answer(self, opinion: Opinion, view: RequestView, patient: bool) -> None:
        began = time.perf_counter()
        mark = self._occupancy.enter(began)
        try:
            if patient:
                await self.client.probed.wait()
                if not self.client.ready.is_set():
                    opinion.failure = Cause.VLLM_UNAVAILABLE
                    return
            opinion.rating = await self.client.rate(view)
            opinion.ms = round((time.perf_counter() - began) * 1000, 3)
        except TimeoutError:
            opinion.failure = opinion.failure or Cause.VLLM_TIMEOUT
        except httpx.TimeoutException:
            opinion.failure = opinion.failure or Cause.VLLM_TIMEOUT
        except httpx.HTTPError:
            opinion.failure = opinion.failure or Cause.VLLM_UNAVAILABLE
        except UnusableReply as error:
            if str(error) != self._told:
                logger.warning("vLLM classifier: %s", error)
            self._told = str(error)
            opinion.failure = opinion.failure or Cause.VLLM_UNUSABLE
        except Exception:
            logger.exception("vLLM classifier failed")
            opinion.failure = opinion.failure or Cause.VLLM_UNUSABLE
        finally:
            seconds = self._occupancy.leave(mark, time.perf_counter())
            opinion.usd = seconds / 3600 * self.settings.usd_per_hour

    async def close(self) -> None:
        """Give up what is under way and close the connections."""
        for task in tuple(self._under_way):
            task.cancel()
        await self.client.close()
