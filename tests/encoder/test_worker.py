"""The encoder's thread: deadlines, a bounded queue, a breaker that opens, and no answer given to another's text."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from types import SimpleNamespace

import circuitbreaker
import numpy as np
import pytest

from custom_router.causes import Cause
from custom_router.classify.base import Vector
from custom_router.encoder import worker as module
from custom_router.encoder.base import Encoder, EncoderUnavailable, Vectors
from custom_router.encoder.fake import FakeEncoder
from custom_router.encoder.worker import FAILURES_TO_OPEN, RECENT, EncoderWorker, EncodingFailed

LONG = 30.0


class Gated(FakeEncoder):
    """A fake encoder that stands still at `wait…` until its gate opens, at `hold…` until the test is over, and raises
    what it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.over = threading.Event()
        self.entered = threading.Event()
        self.error: BaseException | None = None
        self.seen: list[str] = []

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.seen += texts
        if texts[0].startswith("wait"):
            self.entered.set()
            self.gate.wait(LONG)
        if texts[0].startswith("hold"):
            self.over.wait(LONG)
        if self.error is not None:
            raise self.error
        return super().encode(texts)


class Panic(BaseException):
    """As a panic in a Rust tokenizer arrives: not an Exception."""


@pytest.fixture
async def encoder() -> AsyncIterator[Gated]:
    made = Gated()
    yield made
    made.gate.set()


@pytest.fixture
async def worker(encoder: Gated) -> AsyncIterator[EncoderWorker]:
    made = EncoderWorker(lambda: encoder, lambda _: None)
    made.load_now()
    yield made
    encoder.over.set()
    encoder.gate.set()
    made.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Moves the breaker's and the worker's time forward."""
    now = [1_000.0]
    monkeypatch.setattr(circuitbreaker, "monotonic", lambda: now[0])
    # Not `time.monotonic` itself, by which the event loop lives.
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def advance(seconds: float) -> None:
        now[0] += seconds

    return advance


async def cause(worker: EncoderWorker, text: str = "text", deadline_s: float | None = LONG) -> Cause:
    with pytest.raises(EncodingFailed) as caught:
        await worker.encode(text, deadline_s)
    return caught.value.cause


async def reached(condition: Callable[[], bool]) -> None:
    for _ in range(3_000):
        if condition():
            return
        await asyncio.sleep(0.01)
    pytest.fail("never happened")


def same(vector: Vector, text: str) -> bool:
    return bool(np.array_equal(vector, FakeEncoder().encode([text])[0]))


async def test_a_text_gets_its_own_vector(worker: EncoderWorker) -> None:
    assert worker.state == "ready"
    assert same(await worker.encode("a heap of sand", LONG), "a heap of sand")


@pytest.mark.parametrize("deadline_s", [None, LONG])
async def test_results_are_never_mixed_up(worker: EncoderWorker, deadline_s: float | None) -> None:
    texts = [f"text number {i}" for i in range(60)]
    vectors = await asyncio.gather(*(worker.encode(text, deadline_s) for text in texts))
    assert all(same(vector, text) for vector, text in zip(vectors, texts, strict=True))


async def test_encoding_leaves_the_event_loop_free(worker: EncoderWorker, encoder: Gated) -> None:
    task = asyncio.create_task(worker.encode("wait", LONG))
    await reached(encoder.entered.is_set)
    assert not task.done()
    encoder.gate.set()
    assert same(await task, "wait")


async def test_a_passed_deadline_is_a_timeout(worker: EncoderWorker) -> None:
    assert await cause(worker, "wait", 0.01) is Cause.ENCODER_TIMEOUT


async def test_a_full_queue_is_busy_and_a_patient_caller_waits(
    worker: EncoderWorker, encoder: Gated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_PENDING", 3)
    held = [asyncio.create_task(worker.encode(f"wait {i}", LONG)) for i in range(3)]
    await reached(encoder.entered.is_set)
    assert await cause(worker) is Cause.ENCODER_BUSY
    patient = asyncio.create_task(worker.encode("patient", None))
    encoder.gate.set()
    await asyncio.gather(*held, patient)
    assert same(await worker.encode("room again", LONG), "room again")


async def test_who_has_time_stands_behind_those_who_come_later(worker: EncoderWorker, encoder: Gated) -> None:
    first = asyncio.create_task(worker.encode("wait", LONG))
    await reached(encoder.entered.is_set)
    patient = [asyncio.create_task(worker.encode(f"patient {i}", None)) for i in range(3)]
    await asyncio.sleep(0)
    live = [asyncio.create_task(worker.encode(f"live {i}", LONG)) for i in range(3)]
    await asyncio.sleep(0)
    encoder.gate.set()
    await asyncio.gather(first, *patient, *live)
    assert encoder.seen[:4] == ["wait", "live 0", "live 1", "live 2"]
    assert sorted(encoder.seen[4:]) == ["patient 0", "patient 1", "patient 2"]


async def test_texts_without_haste_take_no_place_in_the_queue(
    worker: EncoderWorker, encoder: Gated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_PENDING", 2)
    patient = [asyncio.create_task(worker.encode(f"wait {i}", None)) for i in range(9)]
    await reached(encoder.entered.is_set)
    live = asyncio.create_task(worker.encode("live", LONG))
    await asyncio.sleep(0)
    encoder.gate.set()
    assert same(await live, "live"), "not refused as busy"
    await asyncio.gather(*patient)
    assert encoder.seen[1] == "live"


async def test_a_text_that_timed_out_in_the_queue_is_never_encoded(worker: EncoderWorker, encoder: Gated) -> None:
    first = asyncio.create_task(worker.encode("wait", LONG))
    await reached(encoder.entered.is_set)
    assert await cause(worker, "late", 0.01) is Cause.ENCODER_TIMEOUT
    encoder.gate.set()
    await first
    await worker.encode("next", LONG)
    assert encoder.seen == ["wait", "next"]


async def test_cancelled_waiters_leak_no_place(
    worker: EncoderWorker, encoder: Gated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_PENDING", 4)
    tasks = [asyncio.create_task(worker.encode(f"wait {i}", LONG)) for i in range(4)]
    await reached(encoder.entered.is_set)
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results)
    encoder.gate.set()
    await worker.encode("after", None)
    again = await asyncio.gather(*(worker.encode(f"t{i}", LONG) for i in range(4)))
    assert len(again) == 4


class OnnxFail(Exception):
    """As ONNX Runtime's errors are: of no common base."""


@pytest.mark.parametrize(
    "error", [RuntimeError("x"), ValueError("x"), MemoryError(), KeyError("x"), OnnxFail("x"), Panic()], ids=repr
)
async def test_whatever_the_encoder_raises_is_a_cause_and_opens_the_breaker(
    worker: EncoderWorker, encoder: Gated, clock: Callable[[float], None], error: BaseException
) -> None:
    encoder.error = error
    for _ in range(FAILURES_TO_OPEN):
        assert await cause(worker) is Cause.ENCODER_UNAVAILABLE
    assert worker.state == "breaker_open"
    calls = len(encoder.seen)
    assert await cause(worker) is Cause.ENCODER_BREAKER_OPEN
    assert len(encoder.seen) == calls, "an open breaker leaves the encoder alone"

    clock(module.OPEN_SECONDS + 1)
    assert await cause(worker) is Cause.ENCODER_UNAVAILABLE, "one try after the pause"
    assert worker.state == "breaker_open", "and open again at its failure"

    clock(module.OPEN_SECONDS + 1)
    encoder.error = None
    assert same(await worker.encode("well again", LONG), "well again")
    assert worker.state == "ready"


async def test_a_success_in_between_keeps_the_breaker_closed(worker: EncoderWorker, encoder: Gated) -> None:
    for turn in range(3):
        encoder.error = RuntimeError("x")
        for _ in range(FAILURES_TO_OPEN - 1):
            await cause(worker)
        encoder.error = None
        await worker.encode(f"fine {turn}", LONG)
    assert worker.state == "ready"


async def test_a_text_is_encoded_once_and_remembered_a_while(worker: EncoderWorker, encoder: Gated) -> None:
    first = await worker.encode("fine", LONG)
    encoder.error = RuntimeError("x")
    assert await worker.encode("fine", LONG) is first
    assert await cause(worker) is Cause.ENCODER_UNAVAILABLE
    encoder.error = None
    for other in range(RECENT):
        await worker.encode(f"other {other}", LONG)
    assert await worker.encode("fine", LONG) is not first


@pytest.mark.usefixtures("clock")
async def test_a_hung_encoder_opens_the_breaker(worker: EncoderWorker) -> None:
    for _ in range(FAILURES_TO_OPEN):
        assert await cause(worker, "wait", 0.01) is Cause.ENCODER_TIMEOUT
    assert await cause(worker, "wait", 0.01) is Cause.ENCODER_BREAKER_OPEN


async def test_a_crowd_does_not_open_the_breaker(worker: EncoderWorker, encoder: Gated) -> None:
    """Texts that came too late because others were served first are no sign of a broken encoder."""
    served = asyncio.create_task(worker.encode("wait", LONG))
    await reached(encoder.entered.is_set)
    crowd = [asyncio.create_task(worker.encode(f"hold {i}", 1.0)) for i in range(2 * FAILURES_TO_OPEN)]
    await asyncio.sleep(0)
    encoder.gate.set()
    await served
    results = await asyncio.gather(*crowd, return_exceptions=True)
    late = [r.cause for r in results if isinstance(r, EncodingFailed)]
    assert len(late) >= FAILURES_TO_OPEN
    assert set(late) == {Cause.ENCODER_TIMEOUT}
    assert worker.state == "ready"


# ---------------------------------------------------------------- loading


async def test_before_it_is_loaded_requests_do_without_and_loading_begins() -> None:
    gate, ready = threading.Event(), threading.Event()

    def load() -> Encoder:
        gate.wait(LONG)
        return FakeEncoder()

    worker = EncoderWorker(load, lambda _: ready.set())
    assert worker.state == "unavailable"
    assert await cause(worker) is Cause.ENCODER_UNAVAILABLE
    assert worker.state == "loading"
    gate.set()
    await reached(lambda: worker.state == "ready")
    assert ready.is_set()
    assert same(await worker.encode("hello", LONG), "hello")
    worker.close()


async def test_a_failed_load_is_tried_again_later_not_at_once(clock: Callable[[float], None]) -> None:
    attempts: list[int] = []

    def load() -> Encoder:
        attempts.append(1)
        if len(attempts) < 3:
            raise EncoderUnavailable("no weights here; install them")
        return FakeEncoder()

    worker = EncoderWorker(load, lambda _: None)
    worker.start()
    await reached(lambda: worker.error is not None and worker.state == "unavailable")
    assert worker.error == "no weights here; install them"
    for _ in range(5):
        assert await cause(worker) is Cause.ENCODER_UNAVAILABLE
    assert len(attempts) == 1

    clock(module.RELOAD_SECONDS + 1)
    await cause(worker)
    await reached(lambda: len(attempts) == 2 and worker.state == "unavailable")
    clock(module.RELOAD_SECONDS + 1)
    await cause(worker)
    await reached(lambda: worker.state == "ready")
    assert worker.error is None
    worker.close()


async def test_models_that_do_not_fit_the_encoder_leave_it_unavailable() -> None:
    def refuse(_: Encoder) -> None:
        raise ValueError("fitted on another encoder")

    worker = EncoderWorker(FakeEncoder, refuse)
    worker.start()
    await reached(lambda: worker.error is not None)
    assert (worker.encoder, worker.error) == (None, "fitted on another encoder")
    with pytest.raises(ValueError, match="another encoder"):
        worker.load_now()
    worker.close()


async def test_after_closing_a_request_goes_up_without_an_error(worker: EncoderWorker) -> None:
    worker.close()
    assert await cause(worker) is Cause.ENCODER_UNAVAILABLE
