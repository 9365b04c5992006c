"""Print how good the classifier head is on sources it was not trained on, beside its controls."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from custom_router.classify.embedding import EmbeddingClassifier
from custom_router.encoder import StaticEncoder
from custom_router.learn.head_artifact import OOD_LIMIT, train
from custom_router.learn.head_evaluation import HEADER, SourceResult, by_source, line, summary
from custom_router.learn.head_training import prepare
from custom_router.learn.measures import recovery_curve
from custom_router.learn.outcomes import Outcomes, read_outcomes
from custom_router.learn.plain_prompts import PLAIN_PROMPTS, UNTYPICAL_PROMPTS
from custom_router.learn.tier_mix import PROFILES, choose, mix, over_shuffle


def main(
    data: Annotated[Path, typer.Option(help="Folder that holds router.jsonl.gz.", exists=True, file_okay=False)],
    plot: Annotated[Path | None, typer.Option(help="PNG to write: recovery curves and reliability.")] = None,
) -> None:
    """Retrain leaving out each source in turn, then judge the shipped artifact on the evaluate-only sources."""
    logging.basicConfig(level=logging.WARNING)
    encoder = StaticEncoder.load()
    encode = encoder.encode
    outcomes = read_outcomes(data)
    shipped = EmbeddingClassifier.load(encoder_version=encoder.version)

    seen = outcomes.where(outcomes.trainable)
    trained = train(outcomes, encode, encoder.version)
    n = len(seen)
    difficulty, p_ok = trained.difficulty[:n], trained.p_ok[:n]
    show("Training sources, each predicted by a head that saw none of it", by_source(seen, difficulty, p_ok[:, 0]))

    unseen = outcomes.where(~outcomes.trainable)
    prompts = prepare(unseen.text, unseen.group, encode)
    hard = shipped.head.difficulty(prompts.vectors, prompts.features)
    p_unseen = shipped.head.p_ok(hard).astype(np.float64)
    show(
        f"Evaluate-only sources, shipped artifact {shipped.version}",
        by_source(unseen, hard.astype(np.float64), p_unseen[:, 0]),
    )

    print(f"\nShare flagged at ood >= {OOD_LIMIT}, source left out or never seen")
    groups = trained.data.prompts.group
    for name in np.unique(groups):
        print(f"  {name:28s} {(trained.ood[groups == name] >= OOD_LIMIT).mean():.3f}")
    scores = np.array([shipped.typicality.score(v, x) for v, x in zip(prompts.views, prompts.vectors, strict=True)])
    for name in np.unique(unseen.group):
        print(f"  {name:28s} {(scores[unseen.group == name] >= OOD_LIMIT).mean():.3f}")

    curve = shipped.metadata["calibration"]
    print(f"\nSlope factor {curve['factor']}; log-loss of left-out sources (simple, medium) by factor")
    for factor, loss in curve["log_loss_simple_medium_by_factor"].items():
        print(f"  {factor} {loss[0]:.4f} {loss[1]:.4f}")

    # One calibration for all sources, as in service; only the direction is from other sources.
    p_shipped = shipped.head.p_ok(difficulty.astype(np.float32)).astype(np.float64)
    for by_row in (False, True):
        thresholds("training sources, direction fitted on the others", seen, p_shipped, by_row)
    thresholds("evaluate-only sources", unseen, p_unseen, by_row=False)
    plain(shipped, encoder)
    if plot:
        draw(plot, [("training sources, left out", seen, difficulty, p_ok), ("evaluate-only", unseen, hard, p_unseen)])


def show(title: str, results: list[SourceResult]) -> None:
    """One table; a starred source is too small or has too small a gap to count."""
    print(f"\n{title}\n{HEADER}")
    for result in results:
        print(line(result))
    print("  " + "  ".join(f"{name} {value:.3f}" for name, value in summary(results).items()))


def thresholds(title: str, outcomes: Outcomes, p_ok: np.ndarray, by_row: bool) -> None:
    """Tier shares, quality and cost of threshold pairs on the rows that have a medium model."""
    rows = ~np.isnan(outcomes.score[:, 1])
    kept, p = outcomes.where(rows), p_ok[rows]
    chars = np.array([len(text) for text in kept.text], float)
    names, inverse, counts = np.unique(kept.group, return_inverse=True, return_counts=True)
    weight = np.full(len(kept), 1.0 / len(kept)) if by_row else (1.0 / counts / len(names))[inverse]
    fixed = {"all simple": (0.0, 0.0), "all medium": (1.1, 0.0), "all frontier": (1.1, 1.1)}
    grid = [(s, m) for s in (0.66, 0.68, 0.70, 0.72, 0.74, 0.76, 0.78) for m in (0.78, 0.80, 0.82, 0.84) if m > s]
    print(f"\nThresholds, {title}, {'rows' if by_row else 'sources'} weighing the same")
    print("  simple medium | share simple medium frontier | quality shuffled   above it [95 %]   | cost (frontier = 1)")
    for label, pair in [*PROFILES.items(), *fixed.items(), *(("", pair) for pair in grid)]:
        m = mix(choose(p, *pair), kept.score, chars, weight)
        shares = " ".join(f"{share:8.3f}" for share in m.shares)
        above = f"{m.quality - m.shuffled_quality:.3f}"
        if label in PROFILES:
            above = str(over_shuffle(p, kept.score, kept.group, weight, pair))
        print(
            f"   {pair[0]:.2f}   {pair[1]:.2f} | {shares} "
            f"| {m.quality:7.3f} {m.shuffled_quality:8.3f} {above:>22s} | {m.cost:.3f}  {label}"
        )


def plain(shipped: EmbeddingClassifier, encoder: StaticEncoder) -> None:
    """Where prompts written for this project, unseen in training, would go."""
    simple, medium = PROFILES["mixed"]
    for title, texts in (("Plain prompts", PLAIN_PROMPTS), ("Untypical prompts", UNTYPICAL_PROMPTS)):
        print(f"\n{title}, default profile: tier, p_ok simple and medium, ood")
        for text in texts:
            view = prepare([text], np.array(["plain"]), encoder.encode).views[0]
            scores = shipped.score(view, encoder.encode([view.bounded])[0])
            low, high, _ = scores.p_ok.values()
            tier = ("simple", "medium", "frontier")[int(choose(np.array([[low, high]]), simple, medium)[0])]
            print(f"  {tier:8s} {low:.2f} {high:.2f} {scores.ood:.3f}  {text[:90]!r}")


def draw(path: Path, parts: list[tuple[str, Outcomes, np.ndarray, np.ndarray]]) -> None:
    """Recovery curves (left) and reliability of p_ok simple (right)."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from custom_router.learn.measures import reliability

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5))
    for name, outcomes, difficulty, p_ok in parts:
        curve = recovery_curve(difficulty.astype(float), outcomes.score[:, 0], outcomes.score[:, 2])
        left.plot(curve.share, curve.recovered, label=name)
        bins = reliability(p_ok[:, 0], outcomes.suffices(0))
        right.plot([b.predicted for b in bins], [b.observed for b in bins], marker="o", label=name)
    for axes in (left, right):
        axes.plot(
            [0, 1], [0, 1], color="grey", linewidth=0.8, linestyle="--", label="chance" if axes is left else "ideal"
        )
        axes.legend()
    left.set(xlabel="share sent to the strong model", ylabel="share of the quality gap recovered")
    right.set(xlabel="predicted p_ok[simple]", ylabel="observed rate")
    figure.tight_layout()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    typer.run(main)
