"""A report holds neither the files nor all of their figures in memory. Time is not judged."""

from __future__ import annotations

from pathlib import Path

import pytest

from custom_router.bench.report_memory import PERIOD, fill, run_once
from custom_router.reports import store
from custom_router.reports.report import run_report

RECORDS = 200_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """400 MB of records: one small segment under many names."""
    where = tmp_path_factory.mktemp("records")
    assert fill(where, RECORDS, segment=10_000) == RECORDS
    return where


def test_the_command_stays_below_a_gibibyte(folder: Path) -> None:
    run = run_once(folder)
    assert run.records == RECORDS
    assert run.peak_mib < 1_024


def test_half_of_the_memory_gives_the_same_report(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run_report(str(folder), PERIOD)
    monkeypatch.setattr(store, "MEMORY", "256MB")
    tight = run_report(str(folder), PERIOD)
    assert tight.requests == whole.requests == RECORDS
    assert tight.cost.total == pytest.approx(whole.cost.total, rel=1e-12)
    assert tight.latency_ms == whole.latency_ms
    for name, lines in whole.by.items():
        assert [(line.id, line.requests, line.p95) for line in tight.by[name]] == [
            (line.id, line.requests, line.p95) for line in lines
        ]
