"""Print how good the confidence gate is on the recorded cascades, beside its controls. Tables are Markdown."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer

from custom_router.bundle import POLICY, bundle_root
from custom_router.confidence.calibrate import GateArtifact
from custom_router.confidence.score import clipped_logit
from custom_router.engine import RouterEngine
from custom_router.learn import gate_calibration_evaluation as calibration
from custom_router.learn.gate_calibration import USEFUL_AUROC, out_of_fold
from custom_router.learn.gate_cascades import Cascade, read_cascades
from custom_router.learn.gate_chain import LEAST_COHERENCE, Link, transfer
from custom_router.learn.gate_measures import auroc_interval, calibration_error, coverage_at, reliability_bins
from custom_router.learn.gate_plot import draw
from custom_router.learn.gate_similarity import TextSimilarity
from custom_router.learn.gate_systems import Ladder, cost_at, mean_estimate, paid_apgr, plain_apgr, share_of_top
from custom_router.learn.measures import auroc
from custom_router.request import RequestView

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]

STRONG = "llama3.1-405b"
PAIRS = (("llama3.1-8b", "llama3.1-70b"), ("llama3.1-8b", "gpt-4o-mini"), ("gpt-4o-mini", "llama3.1-70b"))
"""(cheap model, model of the second opinion)."""
CHAINS = (("gpt-4o-mini", "llama3.1-70b", STRONG), ("llama3.1-8b", "llama3.1-70b", STRONG))
QUALITIES = (0.95, 0.98, 0.99, 0.995)
RAW_CUT = 0.70


def main(
    data: Annotated[Path, typer.Option(help="Folder with router and answers .jsonl.gz.", exists=True, file_okay=False)],
    out: Annotated[Path | None, typer.Option(help="Folder for gate.png.", file_okay=False)] = None,
) -> None:
    """Judge the gate: ranking, cost, calibration, the chain, and where its signals say nothing."""
    logging.basicConfig(level=logging.WARNING)
    cascades = read_cascades(data, TextSimilarity())
    difficulty = routing_difficulty(cascades)
    print(f"Sources: {', '.join(f'{c.name} ({len(c)})' for c in cascades)}. Frontier: {STRONG}.")
    for weak, opinion in PAIRS:
        ranking(cascades, difficulty, weak, opinion)
    transfer_simple(cascades)
    for chain in CHAINS:
        show_chain(cascades, chain)
    show_signals(cascades)
    show_calibration(cascades)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        picture(out / "gate.png", cascades)
        print(f"\nwritten: {out / 'gate.png'}")


def table(title: str, header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Print one Markdown table."""
    cells = [str(cell) for cell in header]
    print(f"\n{title}\n\n| {' | '.join(cells)} |\n|{' --- |' * len(cells)}")
    for row in rows:
        print(f"| {' | '.join(f'{c:.3f}' if isinstance(c, float) else str(c) for c in row)} |")


def routing_difficulty(cascades: list[Cascade]) -> dict[str, Floats]:
    """What the router, with the shipped policy, makes of the prompts alone: complexity 0..10 by source, (n,)."""
    engine = RouterEngine.from_policy(bundle_root() / POLICY)
    views = [
        [RequestView.from_chat({"messages": [{"role": "user", "content": p}]}) for p in c.prompts] for c in cascades
    ]

    async def decided() -> list[Floats]:
        return [np.array([one.complexity for one in await engine.decide_many(some)]) for some in views]

    try:
        return dict(zip((c.name for c in cascades), asyncio.run(decided()), strict=True))
    finally:
        engine.close()


def ranking(cascades: list[Cascade], difficulty: dict[str, Floats], weak: str, opinion: str) -> None:
    """APGR, AUROC, coverage and cost of every way to choose whom to escalate."""
    rng = np.random.default_rng(0)
    ladders = [Ladder.of(c, weak, STRONG) for c in cascades]
    own = [c.score(weak) for c in cascades]
    both = [c.score(weak, opinion) for c in cascades]
    price = [c.models[opinion].cost for c in cascades]
    systems: dict[str, list[Floats]] = {
        "routing alone (complexity)": [-difficulty[c.name] for c in cascades],
        "own confidence, raw or calibrated": own,
        "own + opinion, before paying": both,
        "the same without the cap": [uncapped(c, weak, opinion) for c in cascades],
        "random": [np.zeros(len(c)) for c in cascades],
        "shuffled own + opinion": [rng.permutation(one) for one in both],
        "oracle": [ladder.weak - ladder.strong for ladder in ladders],
    }
    sizes = [len(c) for c in cascades]
    lines = []
    for name, scores in systems.items():
        each: list[Callable[[Rows], float]] = [
            partial(plain_apgr, ladder, score) for ladder, score in zip(ladders, scores, strict=True)
        ]
        lines.append(
            [name, *(one(np.arange(n)) for one, n in zip(each, sizes, strict=True)), mean_estimate(each, sizes)]
        )
    paid: list[Callable[[Rows], float]] = [
        partial(paid_apgr, ladder, o, b, p) for ladder, o, b, p in zip(ladders, own, both, price, strict=True)
    ]
    after = [one(np.arange(n)) for one, n in zip(paid, sizes, strict=True)]
    lines.insert(4, ["own + opinion, after paying", *after, mean_estimate(paid, sizes, draws=100)])
    gains: list[Callable[[Rows], float]] = [
        lambda rows, a=ladder, b=b, o=o: plain_apgr(a, b, rows) - plain_apgr(a, o, rows)  # type: ignore[misc]
        for ladder, b, o in zip(ladders, both, own, strict=True)
    ]
    each_gain = [mean_estimate([one], [n]) for one, n in zip(gains, sizes, strict=True)]
    lines.append(["gain by the opinion", *each_gain, mean_estimate(gains, sizes)])
    table(
        f"### APGR, {weak} → {STRONG}, second opinion of {opinion}",
        ["system", *(c.name for c in cascades), "mean [95 %]"],
        lines,
    )
    figures = []
    for name in (
        "routing alone (complexity)",
        "own confidence, raw or calibrated",
        "own + opinion, before paying",
        "oracle",
    ):
        scores = systems[name]
        extras: list[Floats | None] = [None] * len(cascades)
        variants = [(name, extras)]
        if "opinion" in name:
            variants = [(name, extras), ("own + opinion, always paid for", list(price))]
        for label, extra in variants:
            costs = [
                float(np.mean([cost_at(a, s, q, e) for a, s, e in zip(ladders, scores, extra, strict=True)]))
                for q in QUALITIES
            ]
            area = float(np.nanmean([auroc(s, a.weak) for s, a in zip(scores, ladders, strict=True)]))
            cover = float(np.mean([coverage_at(s, a.weak, 0.95) for s, a in zip(scores, ladders, strict=True)]))
            figures.append([label, area, cover, *costs])
    flat = [
        float(np.mean([cost_at(a, rng.permutation(len(a.weak)).astype(float), q) for a in ladders])) for q in QUALITIES
    ]
    figures.append(["random", 0.5, float(np.mean([a.weak.mean() >= 0.95 for a in ladders])), *flat])
    cut = clipped_logit(float(np.log(RAW_CUT)))
    fixed = [
        share_of_top(a, c.own_logit(weak) >= cut, np.arange(len(c))) for a, c in zip(ladders, cascades, strict=True)
    ]
    table(
        f"### Cost, {weak} → {STRONG}, opinion of {opinion}: share of the frontier's, same-row thresholds, means",
        ["system", "AUROC", "coverage at 95 %", *(f"cost at {q:.1%} quality" for q in QUALITIES)],
        figures,
    )
    quality, cost = np.mean(fixed, axis=0)
    print(f"\nRaw confidence cut at {RAW_CUT:.2f}: quality {quality:.3f}, cost {cost:.3f} of the frontier's.")


def uncapped(cascade: Cascade, model: str, opinion: str) -> Floats:
    """The score with an opinion of unlimited weight, (n,)."""
    weight = np.maximum(cascade.own_logit(opinion) + 1.0, 0.0)
    return cascade.score(model) + (2.0 * cascade.agreement(model, opinion) - 1.0) * weight


def transfer_simple(cascades: list[Cascade]) -> None:
    """Simple → frontier on own confidence, the threshold chosen on the other four sources."""
    lines = []
    for weak in ("gpt-4o-mini", "llama3.1-8b"):
        ladders = [Ladder.of(c, weak, STRONG) for c in cascades]
        scores = [c.score(weak) for c in cascades]
        found = []
        for at in range(len(cascades)):
            others = [i for i in range(len(cascades)) if i != at]
            grid = np.append(np.quantile(np.concatenate([scores[i] for i in others]), np.linspace(0, 1, 101)), np.inf)
            best, least = np.inf, np.inf
            for cut in grid:
                kept, cost = np.mean(
                    [share_of_top(ladders[i], scores[i] >= cut, np.arange(len(scores[i]))) for i in others], axis=0
                )
                if kept >= 0.99 and cost < least:
                    best, least = cut, cost
            found.append(share_of_top(ladders[at], scores[at] >= best, np.arange(len(scores[at]))))
        quality, cost = np.mean(found, axis=0)
        lines.append([weak, *(f"{q:.3f} at {c:.2f}" for q, c in found), f"{quality:.3f} at {cost:.2f}"])
    table(
        "### Simple → frontier on own confidence, threshold for 99 % chosen on the other four sources: quality at cost",
        ["simple", *(c.name for c in cascades), "mean"],
        lines,
    )


def show_chain(cascades: list[Cascade], models: tuple[str, str, str]) -> None:
    """The chain with thresholds of the other four sources, without and with naming what says nothing."""
    links = [Link.of(cascade, models) for cascade in cascades]
    sizes = [len(c) for c in cascades]
    lines = []
    for naming in (False, True):
        for wanted in (0.98, 0.99, 0.995):
            moved = transfer(links, wanted, naming=naming)
            results = [one.result() for one in moved]
            quality: list[Callable[[Rows], float]] = [lambda rows, one=one: one.result(rows)[0] for one in moved]  # type: ignore[misc]
            cost: list[Callable[[Rows], float]] = [lambda rows, one=one: one.result(rows)[1] for one in moved]  # type: ignore[misc]
            each = [f"{q:.3f} at {c:.2f}" for q, c in results]
            label = f"{wanted:.1%}, {'named sources straight up' if naming else 'no source named'}"
            lines.append(
                [label, *each, mean_estimate(quality, sizes, draws=300), mean_estimate(cost, sizes, draws=300)]
            )
    table(
        f"### Chain {' → '.join(models)}: quality at cost (the frontier's are 1), thresholds of the other four sources",
        ["asked of the other sources", *(link.name for link in links), "mean quality [95 %]", "mean cost [95 %]"],
        lines,
    )
    named = [f"{link.name} ({link.coherence:.2f})" for link in links if not link.informative]
    fine = [f"{link.name} ({link.coherence:.2f})" for link in links if link.informative]
    print(
        f"\nNamed without a label, coherence below {LEAST_COHERENCE}: {', '.join(named) or 'none'}; "
        f"the others: {', '.join(fine)}."
    )


def show_signals(cascades: list[Cascade]) -> None:
    """AUROC of the signals by source, and what is called uninformative."""
    lines = []
    for weak, opinion in PAIRS:
        for label, other in ((weak, None), (f"{weak} + {opinion}", opinion)):
            cells = []
            for cascade in cascades:
                area, low, high = auroc_interval(cascade.score(weak, other), cascade.models[weak].good)
                says = low > 0.5 and area >= USEFUL_AUROC
                cells.append(f"{area:.3f} [{low:.3f}, {high:.3f}]{'' if says else ' **says nothing**'}")
            if [label, *cells] not in lines:
                lines.append([label, *cells])
    table(
        "### Do the signals tell good answers from bad? AUROC [95 %]", ["signals", *(c.name for c in cascades)], lines
    )


def show_calibration(cascades: list[Cascade]) -> None:
    """Calibration error before and after, by method, by where it was fitted, and by the number of rows."""
    shipped = GateArtifact.load()
    names = [c.name for c in cascades]
    for opinion in (False, True):
        found = calibration.tasks(cascades, opinion)
        prior = shipped.fallback("answer_logprob+opinion" if opinion else "answer_logprob").calibrator

        def row(label: str, errors: Iterable[float], found: list[calibration.Task] = found) -> list[object]:
            all_errors = np.array(list(errors))
            each = [float(all_errors[[t.source == name for t in found]].mean()) for name in names]
            return [label, *each, float(all_errors.mean()), float(all_errors.max())]

        lines = [
            row("raw confidence", (calibration_error(t.raw, t.good) for t in found)),
            row("shipped artifact", (calibration.shipped_error(t, shipped) for t in found)),
            row("fitted on the other four sources", calibration.elsewhere(found, prior)),
        ]
        brier = {}
        for label, method in calibration.METHODS.items():
            results = np.array([calibration.same_traffic(t, method, prior) for t in found])
            lines.append(row(f"same traffic, ten-fold: {label}", results[:, 0]))
            brier[label] = results[:, 2].mean()
            if method is calibration.beta:
                chance = row("a perfect calibrator, by chance", results[:, 1])
        lines.append(chance)
        title = "own confidence" if not opinion else f"own confidence and an opinion of {calibration.OPINION}"
        table(
            f"### Calibration error of {title}: nine models, ten bins of equal width",
            ["confidence", *names, "mean", "largest"],
            lines,
        )
        print(f"\nBrier score: {', '.join(f'{label} {value:.4f}' for label, value in brier.items())}.")
        curve = calibration.by_rows(found, prior, (25, 50, 100, 200))
        told = ", ".join(f"{size} rows {error:.3f} (chance {chance_:.3f})" for size, (error, chance_) in curve.items())
        print(f"\nBy rows fitted on, error on the rest: {told}.")
        print(f"\nCalled uninformative: {', '.join(calibration.uninformative(found))}.")


def picture(path: Path, cascades: list[Cascade]) -> None:
    """Recovery of the first pairs and reliability of all models, own confidence."""
    curves = {}
    for weak, opinion in PAIRS:
        for label, other in ((f"{weak}, own", None), (f"{weak} + {opinion}", opinion)):
            curves[label] = [(-c.score(weak, other), c.models[weak].good, c.models[STRONG].good) for c in cascades]
    found = calibration.tasks(cascades, opinion=False)
    prior = GateArtifact.load().fallback("answer_logprob").calibrator
    good = np.concatenate([t.good for t in found])
    after = np.concatenate([out_of_fold(t.score, t.good, prior) for t in found])
    raw = np.concatenate([t.raw for t in found])
    draw(path, curves, {"raw": reliability_bins(raw, good), "calibrated": reliability_bins(after, good)})


if __name__ == "__main__":
    typer.run(main)
