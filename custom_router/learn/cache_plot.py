"""A picture of the cache's operating points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Sweep:
    """One value of `max_error`, the cosine it comes to, and what it does."""

    max_error: float
    cosine: float
    qqp_recall: float
    qqp_precision: float
    stream_recall: float
    stream_wrong: float


def draw(path: Path, points: Sequence[Sweep]) -> None:
    """Write a PNG: recall and error of pairs and stream over the cosine from which answers are reused."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5))
    cosines = [point.cosine for point in points]
    left.plot(cosines, [point.qqp_recall for point in points], marker="o", label="QQP pairs")
    left.plot(cosines, [point.stream_recall for point in points], marker="o", label="stream")
    left.set(xlabel="cosine from which an answer is reused", ylabel="recall")
    right.plot(cosines, [1 - point.qqp_precision for point in points], marker="o", label="QQP pairs")
    right.plot(cosines, [point.stream_wrong for point in points], marker="o", label="stream")
    right.set(xlabel="cosine from which an answer is reused", ylabel="share of hits labelled wrong")
    for axes in (left, right):
        for point in points:
            axes.axvline(point.cosine, color="grey", linewidth=0.5, linestyle=":")
        axes.legend()
    figure.suptitle("max_error " + ", ".join(f"{point.max_error:.1%}" for point in points) + " (right to left)")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
