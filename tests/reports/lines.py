"""Record files for the reports' tests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from custom_router.records.record import CostFields, DecisionRecord, DomainFields, OutcomeFields, Tenant
from custom_router.reports.period import month
from custom_router.reports.store import Store, open_store

TIME = "2026-11-10T12:00:00.000+00:00"
NOVEMBER = month("2026-11")


def made(number: int = 0, **changes: Any) -> DecisionRecord:
    """A finished request on the frontier."""
    fields: dict[str, Any] = {
        "request_id": f"r{number}",
        "time": TIME,
        "policy_version": "v1",
        "entry_model": "auto",
        "call_type": "chat",
        "stream": False,
        "tenant": Tenant(),
        "tier": "frontier",
        "outcome": OutcomeFields("ok"),
        "cost": CostFields(),
    }
    return DecisionRecord(**{**fields, **changes})


def matched(number: int = 0, tier: str = "frontier", rule: str = "term:mortgage", **changes: Any) -> DecisionRecord:
    """A request of the domain finance, which required the frontier."""
    return made(number, tier=tier, **{"domain": DomainFields("finance", 1.0, rule, "frontier"), **changes})


def write(folder: Path, *records: DecisionRecord, name: str = "decisions-1.jsonl") -> Path:
    """One segment."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"".join(record.to_json() + b"\n" for record in records))
    return folder


@contextmanager
def stored(*records: DecisionRecord) -> Iterator[Store]:
    """Records of November, read from a segment."""
    with tempfile.TemporaryDirectory() as folder, open_store(str(write(Path(folder), *records)), NOVEMBER) as store:
        yield store
