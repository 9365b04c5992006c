"""Recovery curves and reliability of the router's scores, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from custom_router.learn.measures import recovery_curve, reliability
from custom_router.learn.outcomes import Outcomes


def draw(path: Path, parts: Sequence[tuple[str, Outcomes, np.ndarray, np.ndarray]]) -> None:
    """Write a PNG: share of the gap recovered (left) and reliability of p_ok simple (right) of each part: its name,
    outcomes, difficulty (n,) and p_ok (n, 2)."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5))
    for name, outcomes, difficulty, p_ok in parts:
        curve = recovery_curve(difficulty, outcomes.score[:, 0], outcomes.score[:, 2])
        left.plot(curve.share, curve.recovered, label=name)
        bins = reliability(p_ok[:, 0], outcomes.suffices(0))
        right.plot([b.predicted for b in bins], [b.observed for b in bins], marker="o", label=name)
    for axes, label in ((left, "chance"), (right, "ideal")):
        axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle="--", label=label)
        axes.legend()
    left.set(xlabel="share sent to the strong model", ylabel="share of the quality gap recovered")
    right.set(xlabel="predicted p_ok[simple]", ylabel="observed rate")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
