"""Where a finished record goes: into the metrics, to the sink, and into memory for those who soon ask about it."""

from __future__ import annotations

import logging

from cachetools import LRUCache

from custom_router.drift import Drift
from custom_router.observed import observe
from custom_router.records.record import DecisionRecord
from custom_router.records.sinks import RecordSink

logger = logging.getLogger(__name__)

RECENT = 2_000
"""Finished requests remembered, for feedback on them."""


class FinishedRecords:
    """The one place through which every complete record goes, once."""

    def __init__(self, sink: RecordSink) -> None:
        self.sink = sink
        self.recent: LRUCache[str, DecisionRecord] = LRUCache(RECENT)
        """Records lately finished, by request id."""
        self.drift = Drift()

    def add(self, record: DecisionRecord) -> None:
        """Count it, write it, remember it."""
        try:
            observe(record)
            self.drift.add(record)
        except Exception:
            # What cannot be counted is still to be recorded.
            logger.exception("a finished request could not be counted")
        self.sink.write(record)
        self.recent[record.request_id] = record
