"""`python -m custom_router.bench.record`: what counting a finished request and writing its record costs in CPU."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Annotated

import typer

from custom_router.records.finished import FinishedRecords
from custom_router.records.record import (
    CacheFields,
    CostFields,
    DecisionRecord,
    DomainFields,
    GateFields,
    OutcomeFields,
    ScoreFields,
    Tenant,
    TokenFields,
    VllmFields,
)
from custom_router.records.sinks import JsonLinesSink

app = typer.Typer(add_completion=False)
BATCH = 200


def full_record(number: int) -> DecisionRecord:
    """A record with every field filled, so that everything there is to count is counted; 70 teams in turn."""
    team = f"team-{number % 70}"
    p_ok = {"simple": number % 97 / 97, "medium": 0.9, "frontier": 1.0}
    return DecisionRecord(
        request_id=f"{number:032x}",
        time="2026-01-01T00:00:00.000+00:00",
        policy_version="0123456789ab",
        entry_model="auto",
        call_type="chat",
        stream=True,
        tenant=Tenant(team, team, f"{team}-bot", "a" * 64, "someone"),
        litellm_call_id=f"{number:032x}",
        domain=DomainFields("finance", 0.93, "model", "frontier"),
        scores=ScoreFields(p_ok, 4.2, "embedding/head", 0.4, "code", False, p_ok, VllmFields(p_ok, "code", 21.0, True)),
        tier="frontier",
        decided_tier="simple",
        decided_by="score",
        model_group="tier-frontier",
        deployment=f"deployment-{number % 8}",
        causes=["encoder_timeout", "score", "gate_low_confidence"],
        cache=CacheFields("miss", None, 0.91, 0.4, "b" * 64, "similarity"),
        gate=GateFields(
            mode="buffer",
            signals={"own_logprob": -0.4, "agreement_1": 1.0},
            confidence=0.4,
            verdict="escalate",
            escalated_to="frontier",
            held_ms=830.0,
        ),
        latency_ms={
            "rules": 0.2,
            "classify": 0.6,
            "encoder": 4.4,
            "vllm": 21.0,
            "decide": 0.05,
            "cache": 1.1,
            "overhead": 27.0,
            "total": 1900.0,
            "ttft": 900.0,
        },
        tokens=TokenFields(900, 200),
        cost=CostFields(
            0.004,
            0.0002,
            0.0037,
            0.0001,
            self_check=0.0001,
            alternatives={"simple": 0.0002, "medium": 0.001, "frontier": 0.0037},
            frontier_baseline=0.0037,
            saved=-0.0003,
        ),
        outcome=OutcomeFields("ok"),
    )


def measure(records: int, folder: Path) -> list[float]:
    """Microseconds of this process's CPU a record, its form for LiteLLM's logs and the writing thread included, one
    figure a batch."""
    sink = JsonLinesSink(folder, segment_bytes=2**26, keep=4, queue_size=10 * BATCH)
    finished = FinishedRecords(sink)
    made = cycle([full_record(number) for number in range(500)])
    for record in islice(made, BATCH):
        finished.add(record)
    sink.flush()
    figures = []
    for _ in range(max(1, records // BATCH)):
        batch = list(islice(made, BATCH))
        began = time.process_time()
        for record in batch:
            finished.add(record)
            record.as_dict()  # as for LiteLLM's own logs
        sink.flush()
        figures.append((time.process_time() - began) / BATCH * 1e6)
    return figures


@app.command()
def bench(
    records: Annotated[int, typer.Option(min=BATCH, help="Records for each figure.")] = 10_000,
    child: Annotated[bool, typer.Option("--child", hidden=True)] = False,
) -> None:
    """Count and write full records, alone and sharing a `PROMETHEUS_MULTIPROC_DIR`, and print the CPU of each."""
    with tempfile.TemporaryDirectory() as name:
        if child:
            figures = sorted(measure(records, Path(name)))
            print(f"{median(figures):.0f} µs of CPU a request (least {figures[0]:.0f}, most {figures[-1]:.0f})")
            return
        (folder := Path(name) / "metrics").mkdir()
        alone = {key: value for key, value in os.environ.items() if key != "PROMETHEUS_MULTIPROC_DIR"}
        # A child each: whether values are shared is settled when prometheus_client is imported.
        for label, environment in (
            ("one process", alone),
            ("one of several workers", {**alone, "PROMETHEUS_MULTIPROC_DIR": str(folder)}),
        ):
            command = [sys.executable, "-m", "custom_router.bench.record", "--child", "--records", str(records)]
            told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)  # noqa: S603
            typer.echo(f"{label:<24}{told.stdout.strip()}")


if __name__ == "__main__":
    app()
