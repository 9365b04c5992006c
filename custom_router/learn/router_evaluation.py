"""Print how good the router's scores are on rows and sources they were not fitted on, beside what they must beat."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from custom_router.bundle import POLICY, bundle_root
from custom_router.classify.embedding import EmbeddingClassifier
from custom_router.classify.intents import IntentModel
from custom_router.encoder import MiniLMEncoder, StaticEncoder
from custom_router.encoder.base import Vectors
from custom_router.learn import router_tables as tables
from custom_router.learn.gate_cascades import read_cascades
from custom_router.learn.gate_similarity import TextSimilarity
from custom_router.learn.head_artifact import OOD_LIMIT, Trained, train
from custom_router.learn.head_training import Prompts, TrainingSet, out_of_source, prepare
from custom_router.learn.outcomes import Encode, Outcomes, encode_cached, read_outcomes
from custom_router.learn.own_artifact import make_candidate
from custom_router.learn.own_rows import OwnRows
from custom_router.learn.router_baselines import needs
from custom_router.learn.router_cascades import together, traffic_of
from custom_router.learn.router_intents import intent_figures
from custom_router.learn.router_plot import draw
from custom_router.learn.tail import tail_slices
from custom_router.policy import Policy

_OWN_ROWS = 5_000
_COSTS = (0.3, 0.5, 0.7)


def main(
    data: Annotated[Path, typer.Option(help="Folder of the evaluation data.", exists=True, file_okay=False)],
    plot: Annotated[Path | None, typer.Option(help="PNG to write: recovery curves and reliability.")] = None,
    vectors: Annotated[
        Path | None, typer.Option(help="Folder that keeps the sentence encoder's vectors between runs.")
    ] = None,
) -> None:
    """Retrain leaving out each source in turn, then judge the shipped artifact on the evaluate-only sources.

    Takes about five minutes on one core, most of it the sentence encoder's, which the baselines need.
    """
    logging.basicConfig(level=logging.WARNING)
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    static, sentence = StaticEncoder.load(), MiniLMEncoder.load()
    shipped = EmbeddingClassifier.load(encoder_version=static.version, intents=IntentModel.fit(static.encode))
    policy = Policy.load(bundle_root() / POLICY)

    def encode_sentences(texts: Sequence[str]) -> Vectors:
        if vectors is None:
            return np.stack([sentence.encode([text])[0] for text in texts])
        return encode_cached(texts, sentence, vectors)

    outcomes = read_outcomes(data)
    seen, unseen = outcomes.where(outcomes.trainable), outcomes.where(~outcomes.trainable)
    trained = train(outcomes, static.encode, static.version)
    n = len(seen)
    difficulty, p_ok = trained.difficulty[:n], trained.p_ok[:n]
    prompts = prepare(unseen.text, unseen.group, static.encode)
    hard = shipped.head.difficulty(prompts.vectors, prompts.features).astype(np.float64)
    p_unseen = shipped.head.p_ok(hard.astype(np.float32)).astype(np.float64)

    tables.sources("Training sources, each predicted by a head that saw none of it", seen, difficulty, p_ok)
    tables.sources(f"Evaluate-only sources, shipped artifact {shipped.version}", unseen, hard, p_unseen)
    of_sentences = [encode_sentences([view.bounded for view in part.views]) for part in (trained.data.prompts, prompts)]
    for title, part, need, vector in (
        ("training sources, left out", seen, difficulty, of_sentences[0][:n]),
        ("evaluate-only sources", unseen, hard, of_sentences[1]),
    ):
        tables.baselines(title, part, needs(part, need, vector, encode_sentences))
    _on_sentences(trained, seen, of_sentences[0], encode_sentences)
    tables.tail("training sources, left out", seen, difficulty, p_ok, _tail(_first(trained.data, n), shipped, policy))
    tables.tail("evaluate-only sources", unseen, hard, p_unseen, _tail(prompts, shipped, policy))
    tables.unfamiliar(trained, prompts, shipped, OOD_LIMIT)
    tables.shrinkage(shipped)
    # One calibration for all sources, as in service; only the direction is from other sources.
    p_shipped = shipped.head.p_ok(difficulty.astype(np.float32)).astype(np.float64)
    for by_row in (False, True):
        tables.thresholds("training sources, direction fitted on the others", seen, p_shipped, by_row)
    tables.thresholds("evaluate-only sources", unseen, p_unseen, by_row=False)
    tables.intents(intent_figures(shipped, static.encode, outcomes))
    tables.plain(shipped, static.encode, policy)
    cascades = [traffic_of(one, shipped, static.encode) for one in read_cascades(data, TextSimilarity())]
    for cost in _COSTS:
        tables.routing_and_gate(cost, together(cascades, cost))
    _own_traffic(trained, seen, shipped, policy)
    if plot:
        draw(plot, [("training sources, left out", seen, difficulty, p_ok), ("evaluate-only", unseen, hard, p_unseen)])


def _first(data: TrainingSet, n: int) -> Prompts:
    return data.prompts.where(np.arange(len(data.prompts.group)) < n)


def _tail(prompts: Prompts, shipped: EmbeddingClassifier, policy: Policy) -> list[tuple[str, np.ndarray]]:
    return list(tail_slices(prompts, shipped.typicality, policy))


def _on_sentences(trained: Trained, seen: Outcomes, vectors: np.ndarray, encode: Encode) -> None:
    """The same recipe on the sentence encoder's vectors, to see what the transformer would add."""
    prompts, stems = trained.data.prompts, trained.data.stems
    moved = TrainingSet(
        Prompts(prompts.views, vectors, prompts.features, prompts.group),
        Prompts(stems.views, encode([view.bounded for view in stems.views]), stems.features, stems.group),
        trained.data.difficulty,
        trained.data.labels,
    )
    need = out_of_source(moved)[: len(seen)]
    tables.sources("The same head on the sentence encoder's vectors", seen, need, trained.p_ok[: len(seen)], brief=True)


def _own_traffic(trained: Trained, seen: Outcomes, shipped: EmbeddingClassifier, policy: Policy) -> None:
    """`tier-router train` on a sample of the training sources, in a made-up order of time."""
    order = np.random.default_rng(0).permutation(len(seen))[:_OWN_ROWS]
    prompts = trained.data.prompts
    sample = Prompts(
        [prompts.views[i] for i in order], prompts.vectors[order], prompts.features[order], prompts.group[order]
    )
    unknown = np.full((len(order), 3), np.nan)
    when = np.arange(len(order), dtype=np.float64)
    rows = OwnRows(sample, trained.data.labels[order], seen.score[order], when, unknown[:, :2], unknown)
    tables.comparison(make_candidate(rows, shipped, policy).comparison)


if __name__ == "__main__":
    typer.run(main)
