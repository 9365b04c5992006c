"""Per-source figures of a difficulty score, each beside its controls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custom_router.learn.measures import Estimate, Rows, apgr, auroc, bootstrap, cpt, ece
from custom_router.learn.outcomes import Outcomes

Floats = npt.NDArray[np.float64]

LEAST_GAP = 0.03
LEAST_ROWS = 100


@dataclass(frozen=True)
class SourceResult:
    """How one source's prompts were ranked and calibrated (tier: simple against frontier).

    `countable`: the frontier model is better by at least `LEAST_GAP` on at least `LEAST_ROWS` rows; elsewhere APGR
    divides by almost nothing.
    """

    name: str
    rows: int
    gap: float
    countable: bool
    apgr: Estimate
    random: float
    constant: float
    shuffled: Estimate
    auroc: float
    ece: float
    base_rate: float
    mean_p: float
    cpt50: float
    cpt80: float


def evaluate(name: str, outcomes: Outcomes, difficulty: Floats, p_simple: Floats, seed: int = 0) -> SourceResult:
    """Measure `difficulty` and `p_simple` (n,) on the rows of one source, or of several pooled."""
    weak, strong = outcomes.score[:, 0], outcomes.score[:, 2]
    enough = outcomes.suffices(0)
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(difficulty)

    def area(need: Floats) -> Estimate:
        def statistic(rows: Rows) -> float:
            return apgr(need[rows], weak[rows], strong[rows])

        return bootstrap(statistic, len(outcomes), seed=seed)

    gap = float((strong - weak).mean())
    return SourceResult(
        name=name,
        rows=len(outcomes),
        gap=gap,
        countable=gap >= LEAST_GAP and len(outcomes) >= LEAST_ROWS,
        apgr=area(difficulty),
        random=apgr(rng.random(len(outcomes)), weak, strong),
        constant=apgr(np.zeros(len(outcomes)), weak, strong),
        shuffled=area(shuffled),
        auroc=auroc(-difficulty, enough),
        ece=ece(p_simple, enough),
        base_rate=float(enough.mean()),
        mean_p=float(p_simple.mean()),
        cpt50=cpt(difficulty, weak, strong, 0.5),
        cpt80=cpt(difficulty, weak, strong, 0.8),
    )


def by_source(outcomes: Outcomes, difficulty: Floats, p_simple: Floats) -> list[SourceResult]:
    """One result a source, then `pooled` over all rows."""
    results = []
    for name in np.unique(outcomes.group).tolist():
        at = outcomes.group == name
        results.append(evaluate(name, outcomes.where(at), difficulty[at], p_simple[at]))
    return [*results, evaluate("pooled", outcomes, difficulty, p_simple)]


HEADER = (
    f"{'source':26s} {'rows':>5s} {'gap':>6s} {'APGR [95 %]':>22s} {'random':>7s} {'const':>6s} "
    f"{'shuffled [95 %]':>22s} {'AUROC':>6s} {'ECE':>5s} {'p_ok':>5s} {'base':>5s} {'CPT50':>6s} {'CPT80':>6s}"
)


def line(r: SourceResult) -> str:
    """One row of the table under `HEADER`; a source too small or without a gap is marked with a star."""
    return (
        f"{r.name + ('' if r.countable else ' *'):26s} {r.rows:5d} {r.gap:6.3f} {r.apgr!s:>22s} {r.random:7.3f} "
        f"{r.constant:6.3f} {r.shuffled!s:>22s} {r.auroc:6.3f} {r.ece:5.3f} {r.mean_p:5.2f} {r.base_rate:5.2f} "
        f"{r.cpt50:6.3f} {r.cpt80:6.3f}"
    )


def summary(results: list[SourceResult]) -> dict[str, float]:
    """Mean and worst APGR over the countable sources, and the pooled one."""
    named = [r for r in results if r.name != "pooled"]
    counted = [r.apgr.value for r in named if r.countable]
    pooled = next(r.apgr.value for r in results if r.name == "pooled")
    return {
        "mean_apgr": float(np.mean(counted)),
        "worst_apgr": float(np.min(counted)),
        "pooled_apgr": pooled,
        "mean_ece": float(np.mean([r.ece for r in named])),
    }
