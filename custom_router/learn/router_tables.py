"""The tables that the router's evaluation prints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from custom_router.classify.embedding import EmbeddingClassifier
from custom_router.decide import decide
from custom_router.learn.head_artifact import Trained
from custom_router.learn.head_evaluation import HEADER, by_source, evaluate, line, summary
from custom_router.learn.head_training import Prompts, view_of
from custom_router.learn.measures import Rows, apgr, bootstrap, cpt
from custom_router.learn.outcomes import Encode, Outcomes
from custom_router.learn.own_comparison import Comparison
from custom_router.learn.plain_prompts import PLAIN_PROMPTS, UNTYPICAL_PROMPTS
from custom_router.learn.router_baselines import ANCHOR_THRESHOLD
from custom_router.learn.router_cascades import Together
from custom_router.learn.router_intents import IntentFigure
from custom_router.learn.tier_mix import PROFILES, choose, mix, over_shuffle
from custom_router.policy import Caller, Policy

_DRAWS = 200
_LEAST_ROWS = 50


def sources(title: str, outcomes: Outcomes, difficulty: np.ndarray, p_ok: np.ndarray, *, brief: bool = False) -> None:
    """One row a source, or the summary alone; a starred source is too small or has too small a gap to count."""
    results = by_source(outcomes, difficulty, p_ok[:, 0])
    print(f"\n{title}")
    if not brief:
        print(HEADER)
        for result in results:
            print(line(result))
    figures = {k: v for k, v in summary(results).items() if not (brief and k == "mean_ece")}
    print("  " + "  ".join(f"{name} {value:.3f}" for name, value in figures.items()))


def baselines(title: str, outcomes: Outcomes, needs: Mapping[str, np.ndarray]) -> None:
    """Each way to rank prompts, pooled and as the mean of the sources that count; then whether the head's lead over its
    own shuffles is more than noise."""
    weak, strong = outcomes.score[:, 0], outcomes.score[:, 2]
    names = [r.name for r in by_source(outcomes, needs["random"], np.full(len(outcomes), 0.5)) if r.countable]
    print(f"\nWays to decide, {title}: APGR pooled [95 %], mean and least of the sources, CPT50, CPT80")
    for name, need in needs.items():
        pooled = bootstrap(_area(need, weak, strong), len(need), draws=_DRAWS)
        each = [apgr(need[at], weak[at], strong[at]) for n in names if n != "pooled" for at in [outcomes.group == n]]
        share = [f"{cpt(need, weak, strong, level):.3f}" for level in (0.5, 0.8)]
        print(f"  {name:36s} {pooled!s:22s} {np.mean(each):.3f} {min(each):.3f}  {share[0]} {share[1]}")
    sent = needs["anchor similarity"] >= ANCHOR_THRESHOLD
    print(f"  anchors at their threshold of {ANCHOR_THRESHOLD:g} send {sent.mean():.3f} up")
    head = needs["head"]
    for control in ("head, shuffled", "head, shuffled within each source"):
        other = needs[control]

        def lead(rows: Rows, other: np.ndarray = other) -> float:
            return apgr(head[rows], weak[rows], strong[rows]) - apgr(other[rows], weak[rows], strong[rows])

        found = bootstrap(lead, len(head), draws=_DRAWS)
        verdict = "significant" if found.low > 0.0 else "NOT significant"
        print(f"  head above {control}: {found}, {verdict}")


def _area(need: np.ndarray, weak: np.ndarray, strong: np.ndarray):  # type: ignore[no-untyped-def]
    return lambda rows: apgr(need[rows], weak[rows], strong[rows])


def tail(
    title: str, outcomes: Outcomes, difficulty: np.ndarray, p_ok: np.ndarray, slices: Iterable[tuple[str, np.ndarray]]
) -> None:
    """The tail on its own, and all rows with the tail weighing half: an average over all hides it."""
    print(f"\nTail, {title}\n{HEADER}")
    union = np.zeros(len(outcomes), bool)
    for name, at in slices:
        union |= at
        if at.sum() >= _LEAST_ROWS:
            print(line(evaluate(name, outcomes.where(at), difficulty[at], p_ok[at, 0])))
    inside, outside = np.flatnonzero(union), np.flatnonzero(~union)
    if len(inside) >= _LEAST_ROWS and len(outside):
        rng = np.random.default_rng(0)
        rows = np.concatenate([rng.choice(inside, len(outside)), outside])
        over = Outcomes(
            [outcomes.text[i] for i in rows], outcomes.group[rows], outcomes.trainable[rows], outcomes.score[rows],
            outcomes.difficulty[rows],
        )  # fmt: skip
        print(line(evaluate("all, tail oversampled", over, difficulty[rows], p_ok[rows, 0])))


def unfamiliar(trained: Trained, prompts: Prompts, shipped: EmbeddingClassifier, limit: float) -> None:
    """Share of each source flagged as out of distribution."""
    print(f"\nShare flagged at ood >= {limit}, source left out or never seen")
    groups = trained.data.prompts.group
    for name in np.unique(groups):
        print(f"  {name:28s} {(trained.ood[groups == name] >= limit).mean():.3f}")
    scores = [
        shipped.typicality.score(view, vector) for view, vector in zip(prompts.views, prompts.vectors, strict=True)
    ]
    for name in np.unique(prompts.group):
        print(f"  {name:28s} {(np.array(scores)[prompts.group == name] >= limit).mean():.3f}")


def shrinkage(shipped: EmbeddingClassifier) -> None:
    """How the slope factor was chosen."""
    curve = shipped.metadata["calibration"]
    print(f"\nSlope factor {curve['factor']}; log-loss of left-out sources (simple, medium) by factor")
    for factor, loss in curve["log_loss_simple_medium_by_factor"].items():
        print(f"  {factor} {loss[0]:.4f} {loss[1]:.4f}")


def thresholds(title: str, outcomes: Outcomes, p_ok: np.ndarray, by_row: bool) -> None:
    """Tier shares, quality and cost of threshold pairs on the rows that have a medium model."""
    rows = ~np.isnan(outcomes.score[:, 1])
    kept, p = outcomes.where(rows), p_ok[rows]
    chars = np.array([len(text) for text in kept.text], float)
    names, inverse, counts = np.unique(kept.group, return_inverse=True, return_counts=True)
    weight = np.full(len(kept), 1.0 / len(kept)) if by_row else (1.0 / counts / len(names))[inverse]
    fixed = {"all simple": (0.0, 0.0), "all medium": (1.1, 0.0), "all frontier": (1.1, 1.1)}
    grid = [(s, m) for s in (0.74, 0.76, 0.78, 0.80, 0.82) for m in (0.80, 0.82, 0.84, 0.86, 0.88) if m > s]
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


def intents(figures: Sequence[IntentFigure]) -> None:
    """How often an intent is named, and how often rightly."""
    print("\nIntents: rows, share named, share of those named rightly")
    for one in figures:
        print(f"  {one.name:28s} {one.rows:5d} {one.named:.3f} {one.right:.3f}")


def plain(shipped: EmbeddingClassifier, encode: Encode, policy: Policy) -> None:
    """Where prompts written for this project, unseen in training, would go."""
    caller = Caller(max_tier=policy.document.callers.max_tier, min_tier=policy.document.callers.min_tier)
    for title, texts in (("Plain prompts", PLAIN_PROMPTS), ("Untypical prompts", UNTYPICAL_PROMPTS)):
        print(f"\n{title}, shipped policy, no domains: tier, p_ok simple and medium, ood, intent")
        for text in texts:
            view = view_of(text)
            scores = shipped.score(view, encode([view.bounded])[0])
            low, high, _ = scores.p_ok.values()
            tier = decide(view, scores, caller, policy).tier.value
            print(f"  {tier:8s} {low:.2f} {high:.2f} {scores.ood:.3f}  {scores.intent or '-':14s} {text[:80]!r}")


def routing_and_gate(most_cost: float, found: Sequence[Together]) -> None:
    """What users get: both together, on the recorded cascades."""
    print(
        f"\nFive cascades, Llama 8B, 70B, 405B; settings of best quality at {most_cost:g} of the 405B's cost on the "
        "other four: quality and cost [95 %] against the 405B alone"
    )
    for one in found:
        print(f"  {one.name:14s} {one.quality!s:22s} {one.cost}")


def comparison(found: Comparison) -> None:
    """A head trained on a sample of the training sources against the shipped one, later rows held out."""
    print("\nOwn traffic: tier-router train on 5,000 rows of the training sources, the last fifth held out (log-loss)")
    for one in found.slices:
        mark = "  WORSE" if one.worse else ""
        print(f"  {one.name:36s} {one.rows:5d} {one.incumbent:.3f} → {one.candidate:.3f}  {one.difference}{mark}")
    print(
        f"  APGR {found.apgr[0]:.3f} → {found.apgr[1]:.3f}, calibration error {found.ece[0]:.3f} → {found.ece[1]:.3f}"
    )
