"""A runtime that writes its records to a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from custom_router.encoder.fake import FakeEncoder
from custom_router.engine import RouterEngine
from custom_router.receipts import listing
from custom_router.records.sinks import JsonLinesSink
from custom_router.runtime import Runtime

POLICY = """\
tiers:
  simple: {model: tier-simple, threshold: 0.6}
  medium: {model: tier-medium, threshold: 0.6}
  frontier: {model: tier-frontier}
classifier: {kind: constant, constant: 0.9}
latency_budget_ms: {rules: 5000}
domains:
  finance:
    rules: {terms: [mortgage], patterns: ['\\bIBAN\\b']}
"""


@pytest.fixture(autouse=True)
def _no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine half a second may pass before the first record has been read."""
    monkeypatch.setattr(listing, "SECONDS", 60.0)


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "routing_policy.yaml"
    path.write_text(POLICY)
    return path


@pytest.fixture
def runtime(policy: Path, tmp_path: Path) -> Iterator[Runtime]:
    engine = RouterEngine(policy, load_encoder=FakeEncoder)
    sink = JsonLinesSink(tmp_path / "records", segment_bytes=2**20, keep=4, queue_size=1000)
    made = Runtime(engine, sink)
    yield made
    made.close()
