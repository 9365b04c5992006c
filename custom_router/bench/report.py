"""The benchmark's figures as Markdown and JSON. Pure."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

from custom_router.bench.analysis import Row
from custom_router.bench.in_process import EngineFigures
from custom_router.learn.measures import Estimate

_HOW = """\
Every round sends the same prompts to each proxy in turn, one proxy under load at a time, in an order that rotates;
client, simulator and proxies share this machine. Latency is to the last byte of an unstreamed answer of 16 tokens,
upstream latency 0. *Added* and the ratios are against bare LiteLLM under the same load, [95 % interval] by resampling
rounds. *Gate* is the plugin against itself with its gate off (`ungated`). CPU is the proxy's, background logging
included. *Undecided* requests went to the frontier because the
router missed its own latency budget: they skip part of its work."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the figures were taken on. `load_average` is the machine's over one minute, before and after."""

    cpus: int
    python: str
    litellm: str
    rounds: int
    seconds: float
    load_average: tuple[float, float]


def conditions(rounds: int, seconds: float, load_before: float) -> Conditions:
    """The conditions now."""
    return Conditions(
        os.cpu_count() or 0, platform.python_version(), version("litellm"), rounds, round(seconds, 1),
        (round(load_before, 2), round(os.getloadavg()[0], 2)),
    )  # fmt: skip


def as_json(rows: Iterable[Row], engine: EngineFigures, at: Conditions) -> dict[str, Any]:
    """Everything, in plain types."""
    proxies = [{**asdict(row), "undecided": row.undecided} for row in rows]
    return {"conditions": asdict(at), "proxies": proxies, "engine": asdict(engine)}


def as_markdown(rows: Iterable[Row], engine: EngineFigures, at: Conditions) -> str:
    """The tables that the command prints."""
    before, after = at.load_average
    parts = [
        "# Benchmark\n",
        f"LiteLLM {at.litellm}, Python {at.python}, {at.cpus} CPUs, {at.rounds} rounds, {at.seconds:.0f} s; "
        f"load average {before} before, {after} after (a quiet machine shows under 1 before).\n",
        _HOW + "\n",
        "## Proxies\n",
        _proxy_table(rows),
        "## Engine alone\n",
        "Every decision is waited for; *over budget* ones took longer than the policy gives the encoder.\n",
        _rate_table(engine),
        "## Event loop\n",
        "How late a task that wakes every millisecond wakes. *Idle* is the control: the same, with nothing else on "
        "the loop.\n",
        _lag_table(engine),
    ]
    return "\n".join(parts)


def _proxy_table(rows: Iterable[Row]) -> str:
    head = (
        "tokens", "in flight", "proxy", "requests", "p50 ms", "p95 ms", "p99 ms", "added p50", "added p95", "added p99",
        "gate p50",        "req/s", "× bare", "CPU ms", "CPU × bare", "RSS MB", "failed", "undecided",
    )  # fmt: skip
    return table(head, map(_proxy_line, rows))


def _proxy_line(row: Row) -> list[object]:
    added = row.added_ms or {}
    return [
        *(row.tokens, row.concurrency, row.variant.value, row.requests),
        *(f"{row.latency_ms[q]:.1f}" for q in (50, 95, 99)),
        *(_interval(added.get(q), 1) for q in (50, 95, 99)),
        _interval(row.gate_ms, 1),
        *(f"{row.per_second:.1f}", _interval(row.throughput_ratio, 2)),
        *(f"{row.cpu_ms:.1f}", _interval(row.cpu_ratio, 2), f"{row.rss_mb:.0f}", row.failed, row.undecided),
    ]


def _rate_table(engine: EngineFigures) -> str:
    head = ("call", "tokens", "decisions", "a second", "p50 ms", "p99 ms", "over budget")
    return table(
        head,
        [
            (
                rate.call, rate.tokens, rate.decisions, f"{rate.per_second:.0f}", _number(rate.p50_ms),
                _number(rate.p99_ms), "" if rate.over_budget is None else rate.over_budget,
            )
            for rate in engine.rates
        ],
    )  # fmt: skip


def _lag_table(engine: EngineFigures) -> str:
    head = ("load", "tokens", "wake-ups", "p99 ms late", "most ms late")
    return table(head, [(g.load, g.tokens, g.beats, f"{g.p99_ms:.2f}", f"{g.max_ms:.2f}") for g in engine.lags])


def table(head: Iterable[object], body: Iterable[Iterable[object]]) -> str:
    """A Markdown table, columns padded so that it reads as plain text too."""
    rows = [[str(cell) for cell in row] for row in (head, *body)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "| " + " | ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    rule = "|" + "|".join("-" * (width + 1) + ":" for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]]) + "\n"


def _interval(estimate: Estimate | None, digits: int) -> str:
    if estimate is None:
        return ""
    return f"{estimate.value:.{digits}f} [{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
