"""Where a finished record goes: into the metrics, to the sink, and into memory for those who soon ask about it."""

from __future__ import annotations

from cachetools import LRUCache

from custom_router import metrics
from custom_router.records.record import DecisionRecord
from custom_router.records.sinks import RecordSink

RECENT = 2_000
"""Finished requests remembered, for feedback on them."""


class FinishedRecords:
    """The one place through which every complete record goes, once."""

    def __init__(self, sink: RecordSink) -> None:
        self.sink = sink
        self.recent: LRUCache[str, DecisionRecord] = LRUCache(RECENT)
        """Records lately finished, by request id."""

    def add(self, record: DecisionRecord) -> None:
        """Count it, write it, remember it."""
        metrics.OUTCOMES.labels(record.tier, record.outcome.status).inc()
        if record.cost.total is not None:
            metrics.COST.labels(record.tier).inc(record.cost.total)
        if record.cost.frontier_baseline is not None:
            metrics.BASELINE_COST.inc(record.cost.frontier_baseline)
        self.sink.write(record)
        self.recent[record.request_id] = record
