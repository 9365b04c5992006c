"""Fits the probability that two questions have the same answer, on data marked *train*, for every encoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer

from custom_router.cache.acceptance import Acceptance, Calibration, Source
from custom_router.cache.lexicon import Lexicon
from custom_router.encoder import MiniLMEncoder
from custom_router.encoder.model_cache import Precision
from custom_router.learn.cache_pairs import NEAR, Embedded, Judged, intent_pairs, judged, labelled_pairs

Floats = npt.NDArray[np.float64]

VERSION = "2026-11"
INTENTS = ("banking77", "clinc150")
HARD = ("banking77_hardneg",)
"""Labelled pairs used beside the intents. gptcache_mock is left out because all of its pairs mean the same, so that it
says nothing of how often near pairs do; svamp_hardneg because the guards refuse every pair of it."""
Z = 1.645
"""The probability is a lower bound at 95 %, one-sided: it answers for other sources than those it was fitted on."""
_RIDGE = 0.01
_STEPS = 50


def fit(pairs: Sequence[Judged], z: float = Z) -> Calibration:
    """A logistic curve over -log(1 - cosine) of the pairs that no guard refuses, by Newton's method."""
    kept = [one for one in pairs if one.guard is None and one.cosine > NEAR]
    x = np.array([-np.log(max(1.0 - one.cosine, 0.005)) for one in kept])
    design = np.stack([np.ones_like(x), x], axis=1)
    same = np.array([float(one.pair.same) for one in kept])
    ridge = np.diag([0.0, _RIDGE])
    beta = np.zeros(2)
    for _ in range(_STEPS):
        p = 1.0 / (1.0 + np.exp(-design @ beta))
        curvature = design.T @ (design * (p * (1.0 - p))[:, None]) + ridge
        beta = beta + np.linalg.solve(curvature, design.T @ (same - p) - ridge @ beta)
    covariance = np.linalg.inv(curvature)
    sources = []
    for name in sorted({one.pair.source for one in pairs}):
        mine = [one for one in kept if one.pair.source == name]
        near = sum(one.pair.source == name and one.cosine > NEAR for one in pairs)
        sources.append(
            Source(name=name, pairs=len(mine), same=sum(one.pair.same for one in mine), refused=near - len(mine))
        )
    return Calibration(
        intercept=round(float(beta[0]), 6),
        slope=round(float(beta[1]), 6),
        covariance=(
            round(float(covariance[0, 0]), 8),
            round(float(covariance[0, 1]), 8),
            round(float(covariance[1, 1]), 8),
        ),
        z=z,
        sources=tuple(sources),
    )


def training_pairs(data: Path, embedded: Embedded) -> list[Judged]:
    """The pairs that may shape what ships, judged."""
    lexicon = Lexicon.shipped("en")
    assert lexicon is not None
    pairs = intent_pairs(data, INTENTS, embedded) + [one for one in labelled_pairs(data) if one.source in HARD]
    return judged(pairs, embedded, lexicon)


def threshold(calibration: Calibration, max_error: float) -> float:
    """The least cosine (to .001) that is accepted; above 1 where none is."""
    grid = np.arange(NEAR, 1.0005, 0.001)
    return next((float(one) for one in grid if calibration.p_same(float(one)) >= 1.0 - max_error), 1.001)


def main(
    data: Annotated[Path, typer.Option(help="Folder of the evaluation data.", exists=True, file_okay=False)],
    output: Annotated[Path, typer.Option(help="Where the artifact goes.")] = Path("custom_router/artifacts/cache.json"),
) -> None:
    """Fit the artifact that ships, for both precisions of the encoder."""
    precisions: tuple[Precision, ...] = ("int8", "fp32")
    encoders = {}
    for precision in precisions:
        embedded = Embedded(MiniLMEncoder.load(precision=precision))
        pairs = training_pairs(data, embedded)
        encoders[embedded.version] = found = fit(pairs)
        print(
            f"{embedded.version}: cosine from {threshold(found, 0.02):.3f} at 2 %, {threshold(found, 0.05):.3f} at 5 %"
        )
        for source in found.sources:
            print(f"  {source.name}: {source.pairs} pairs, {source.same} the same; {source.refused} refused by a guard")
            others = fit([one for one in pairs if one.pair.source != source.name])
            served = [
                one
                for one in pairs
                if one.pair.source == source.name and one.guard is None and others.p_same(one.cosine) >= 0.98
            ]
            wrong = sum(not one.pair.same for one in served)
            print(f"    fitted on the others: {len(served)} served at 2 %, {wrong} wrong")
    Acceptance(version=VERSION, language="en", encoders=encoders).save(output)
    print(f"written: {output}")


if __name__ == "__main__":
    typer.run(main)
