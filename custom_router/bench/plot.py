"""The benchmark's picture: added latency and throughput against bare LiteLLM, by requests in flight."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from custom_router.bench.analysis import Row
from custom_router.bench.measure import SHORT
from custom_router.bench.variants import VARIANTS, Variant
from custom_router.learn.measures import Estimate

_NAMES = {
    Variant.EMPTY_HOOKS: "empty hooks",
    Variant.PLUGIN: "this router",
    Variant.COMPLEXITY: "LiteLLM's complexity router",
}


def draw(rows: Sequence[Row], path: Path) -> Path:
    """Write a PNG for the short prompts."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    short = [row for row in rows if row.tokens == SHORT]
    levels = sorted({row.concurrency for row in short})
    figure, (latency, throughput) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    _bars(latency, short, levels, lambda row: row.added_ms[50] if row.added_ms else None)
    latency.axhline(0.0, color="black", linewidth=0.8)
    # Queueing at 50 in flight would flatten everything else on a straight scale.
    latency.set_yscale("symlog", linthresh=10)
    latency.set(title="Added latency, p50", ylabel="ms over bare LiteLLM (logarithmic from 10)")
    _bars(throughput, short, levels, lambda row: row.throughput_ratio)
    throughput.axhline(1.0, color="black", linewidth=0.8)
    throughput.set(title="Throughput", ylabel="ratio to bare LiteLLM", ylim=(0, None))
    for axes in (latency, throughput):
        axes.set_xlabel(f"requests in flight, {SHORT}-token prompts")
        axes.set_xticks(range(len(levels)), [str(level) for level in levels])
    figure.legend(*throughput.get_legend_handles_labels(), loc="outside lower center", ncols=len(_NAMES))
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return path


def _bars(axes: Any, rows: Sequence[Row], levels: Sequence[int], value: Callable[[Row], Estimate | None]) -> None:
    shown = [variant for variant in VARIANTS if variant in _NAMES]
    width = 0.8 / len(shown)
    for position, variant in enumerate(shown):
        found = {row.concurrency: value(row) for row in rows if row.variant is variant}
        points = [(at, e) for at, level in enumerate(levels) if (e := found.get(level)) is not None]
        left = [at + (position - (len(shown) - 1) / 2) * width for at, _ in points]
        # A percentile interval need not hold the estimate when rounds are few.
        errors = [
            [max(0.0, e.value - e.low) for _, e in points],
            [max(0.0, e.high - e.value) for _, e in points],
        ]
        axes.bar(left, [e.value for _, e in points], width, yerr=errors, capsize=3, label=_NAMES[variant])
