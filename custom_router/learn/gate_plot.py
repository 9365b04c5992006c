"""A picture of the gate's evaluation: recovery, and reliability before and after calibration."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from custom_router.learn.measures import recovery_curve

Floats = npt.NDArray[np.float64]


def draw(
    path: Path,
    curves: dict[str, list[tuple[Floats, Floats, Floats]]],
    reliability: dict[str, list[tuple[float, float, int]]],
) -> None:
    """Write a PNG. `curves` holds (need, weak, strong) of each source by system, averaged over sources; `reliability`
    (predicted, observed, rows) bins by name."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5))
    shares = np.linspace(0.0, 1.0, 101)
    for name, sources in curves.items():
        found = [recovery_curve(*source) for source in sources]
        left.plot(shares, np.mean([np.interp(shares, one.share, one.recovered) for one in found], axis=0), label=name)
    left.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle="--", label="chance")
    left.set(xlabel="share of answers escalated", ylabel="share of the quality gap recovered (mean of sources)")
    for name, bins in reliability.items():
        right.plot([b[0] for b in bins], [b[1] for b in bins], marker="o", label=name)
    right.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle="--", label="ideal")
    right.set(xlabel="confidence", ylabel="share of good answers")
    left.legend()
    right.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
