"""The encoder off the event loop: one thread, a bounded queue, a deadline and a circuit breaker."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from cachetools import LRUCache
from circuitbreaker import CircuitBreaker, CircuitBreakerError

from custom_router.causes import Cause
from custom_router.classify.base import Vector
from custom_router.encoder.base import Encoder
from custom_router.fair_timeout import fair_timeout

logger = logging.getLogger(__name__)

MAX_PENDING = 64
FAILURES_TO_OPEN = 8
OPEN_SECONDS = 5
RELOAD_SECONDS = 30.0
POLL_SECONDS = 0.005
RECENT = 64
"""Texts whose vectors are remembered."""


class EncodingFailed(Exception):
    """No vector for this request. `cause` says why; the request goes up a tier."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause.value)
        self.cause = cause


class EncoderBroken(RuntimeError):
    """The encoder raised; its error is the cause."""


class EncoderWorker:
    """Owns an encoder and the one thread it runs on.

    One thread because two are slower on a busy host, and because inference inline would stall the event loop for
    its whole duration. `load` runs on that thread at the first `start`, and again every 30 s while it fails.
    """

    def __init__(self, load: Callable[[], Encoder], on_ready: Callable[[Encoder], None]) -> None:
        self._load = load
        self._on_ready = on_ready
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tier-router-encoder")
        self._breaker = CircuitBreaker(
            failure_threshold=FAILURES_TO_OPEN,
            recovery_timeout=OPEN_SECONDS,
            expected_exception=(TimeoutError, EncoderBroken),
            name="encoder",
        )
        # The breaker refuses calls only through what it decorates; its own `call` methods merely count.
        self._guarded = self._breaker(self._run)
        # The decision and the cache ask for the same text, one after the other.
        self._recent: LRUCache[str, Vector] = LRUCache(RECENT)
        self._pending = 0
        self._finished = 0
        self._lock = threading.Lock()
        self._loading = False
        self._retry_at = 0.0
        self.encoder: Encoder | None = None
        self.error: str | None = None

    @property
    def state(self) -> str:
        """`ready`, `loading`, `unavailable` or `breaker_open`."""
        if self.encoder is None:
            return "loading" if self._loading else "unavailable"
        return "breaker_open" if self._breaker.opened else "ready"

    def start(self) -> None:
        """Begin loading in the background unless it is loaded, loading, or failed a moment ago."""
        with self._lock:
            if self.encoder is not None or self._loading or time.monotonic() < self._retry_at:
                return
            self._loading = True
        self._executor.submit(self._load_now)

    def load_now(self) -> None:
        """Load in the calling thread; raises what the loader raises. For batch use, where waiting is right."""
        if self.encoder is None:
            encoder = self._load()
            self._on_ready(encoder)
            self.encoder = encoder

    def _load_now(self) -> None:
        try:
            self.load_now()
            self.error = None
        except Exception as error:  # noqa: BLE001 - whatever breaks loading, requests still go up a tier
            self.error = str(error)
            self._retry_at = time.monotonic() + RELOAD_SECONDS
            logger.error("encoder not available, every request needing it goes up a tier: %s", error)
        finally:
            self._loading = False

    async def encode(self, text: str, deadline_s: float | None) -> Vector:
        """The unit vector of one text, shape (384,). Raises `EncodingFailed`. Without a deadline the text waits,
        however long, until no other is under way: live requests, which have one, go first."""
        encoder = self.encoder
        if encoder is None:
            self.start()
            raise EncodingFailed(Cause.ENCODER_UNAVAILABLE)
        if (known := self._recent.get(text)) is not None:
            return known
        if deadline_s is None:
            await self._let_others_pass()
        elif self._pending >= MAX_PENDING:
            raise EncodingFailed(Cause.ENCODER_BUSY)
        try:
            vector: Vector = await self._guarded(encoder, text, deadline_s)
        except CircuitBreakerError as error:
            raise EncodingFailed(Cause.ENCODER_BREAKER_OPEN) from error
        except TimeoutError as error:
            raise EncodingFailed(Cause.ENCODER_TIMEOUT) from error
        except RuntimeError as error:  # the encoder's, or the executor's when it has been shut down
            logger.warning("encoder failed: %s", error)
            raise EncodingFailed(Cause.ENCODER_UNAVAILABLE) from error
        self._recent[text] = vector
        return vector

    async def _let_others_pass(self) -> None:
        while self._pending and not self._breaker.opened:  # noqa: ASYNC110 - what is awaited ends in another thread
            await asyncio.sleep(POLL_SECONDS)

    async def _run(self, encoder: Encoder, text: str, deadline_s: float | None) -> Vector:
        with self._lock:
            future = self._executor.submit(_encode_one, encoder, text)
            self._pending += 1
            finished = self._finished
        future.add_done_callback(self._release)
        # A text still queued when its deadline passes is cancelled, so that a burst does not leave a backlog.
        try:
            async with fair_timeout(deadline_s):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            if future.cancelled() and self._finished != finished:
                # Others were served meanwhile: a crowd, which must not open the breaker as a hung encoder does.
                raise EncodingFailed(Cause.ENCODER_TIMEOUT) from None
            raise

    def _release(self, future: Future[Vector]) -> None:
        with self._lock:
            self._pending -= 1
            if not future.cancelled():
                self._finished += 1

    def close(self) -> None:
        """Stop the thread; texts still waiting are dropped."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def _encode_one(encoder: Encoder, text: str) -> Vector:
    try:
        vector: Vector = encoder.encode([text])[0]
    except BaseException as error:  # ONNX Runtime's errors share no base, and a panic in Rust is no Exception
        raise EncoderBroken(repr(error)) from error
    return vector
