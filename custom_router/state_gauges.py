"""The state of this process as gauges. A thread of its own sets them: another worker may answer the scrape, and a loop
that is stuck still tells how it is."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from custom_router import metrics
from custom_router.records.sinks import JsonLinesSink

if TYPE_CHECKING:
    from custom_router.runtime import Runtime

logger = logging.getLogger(__name__)

REFRESH_SECONDS = 1.0


class StateGauges:
    """Reads a runtime and sets the gauges, once a second until `close`."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._stop = threading.Event()
        self._expecting: object = None

    def start(self) -> None:
        """Begin, in a daemon thread."""
        threading.Thread(target=self._run, name="tier-router-gauges", daemon=True).start()

    def close(self) -> None:
        """Stop."""
        self._stop.set()

    def _run(self) -> None:
        while True:
            try:
                self.refresh()
            except Exception:
                logger.exception("the gauges could not be set")
            if self._stop.wait(REFRESH_SECONDS):
                return

    def refresh(self) -> None:
        """Set every gauge to what is so now."""
        runtime, engine = self._runtime, self._runtime.engine
        vllm = engine.classification.vllm_health(engine.policy)
        store = runtime.caching.cache.store_.stats()
        states = {"encoder": engine.encoder.state, "vllm": vllm["state"], "cache": cache_state(store)}
        needed = {
            "encoder": engine.needs_encoder(),
            "vllm": vllm["needed"],
            "cache": engine.policy.document.cache.enabled,
        }
        for part, state in states.items():
            metrics.BREAKER_OPEN.labels(part).set(state == "breaker_open")
            metrics.PART_UNAVAILABLE.labels(part).set(needed[part] and state != "ready")
        metrics.POLICY_REFUSED.set(bool(engine.watcher.status.findings))
        metrics.UNDER_WAY.set(len(runtime.pending))
        if isinstance(runtime.sink, JsonLinesSink):
            metrics.RECORDS_WAITING.set(runtime.sink.waiting)
        self._set_reference()
        for of, index in runtime.finished.drift.indexes().items():
            metrics.DRIFT.labels(of).set(index)

    def _set_reference(self) -> None:
        """Compare scores with what the head's artifact tells of the traffic it was trained on, where it does."""
        policy = self._runtime.engine.policy
        if policy.key == self._expecting:
            return
        metadata = self._runtime.engine.classification.head_metadata(policy)
        if metadata is not None:
            self._runtime.finished.drift.expect(metadata.get("p_ok_simple_tenths"))
            self._expecting = policy.key


def cache_state(store: dict[str, Any]) -> str:
    """`ready`, `unavailable` or `breaker_open`, from a store's `stats`. One in memory is always ready."""
    if store.get("breaker_open"):
        return "breaker_open"
    return "ready" if store.get("connected", 1) else "unavailable"
