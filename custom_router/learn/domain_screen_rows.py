"""What the domain screen learns from: texts, and what the domain model says of each. No label is used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custom_router.domains.model import DomainModel
from custom_router.encoder.static import StaticEncoder
from custom_router.learn.domain_rows import SOURCES, Row
from custom_router.learn.head_training import view_of
from custom_router.learn.outcomes import LICENCES, Encode, Outcomes

Floats = npt.NDArray[np.float32]

SPANS = 24_000
_SPAN_WORDS = (3, 26)
_SPAN_CHARS = 2_000
_FAMILIES = {"routellm_mmlu": "mmlu", "llmrouter:mmlu": "mmlu", "mmlu_pro": "mmlu"}
"""Sources that share questions: leaving one out leaves out the others."""

LICENCES_OF_ALL = {**SOURCES, **LICENCES}


@dataclass(frozen=True)
class Teaching:
    """Texts as token ids, the domain model's logits (n, k), row weights (n,) and the families each is from.

    A span joined of two texts has two families and is left out with either.
    """

    tokens: list[npt.NDArray[np.int32]]
    logits: Floats
    weight: Floats
    families: list[frozenset[str]]

    def where(self, mask: npt.NDArray[np.bool_]) -> Teaching:
        """The rows that `mask` keeps."""
        kept = np.flatnonzero(mask)
        return Teaching(
            [self.tokens[i] for i in kept], self.logits[kept], self.weight[kept], [self.families[i] for i in kept]
        )


def family(source: str) -> str:
    """The name under which a source is left out."""
    return _FAMILIES.get(source, source)


def teaching_rows(rows: Sequence[Row], outcomes: Outcomes) -> tuple[list[str], list[str]]:
    """Texts and sources of the rows that may shape the screen: those the domain model is fitted on, and prompts."""
    fitted = [row for row in rows if row.fitted]
    kept = outcomes.where(outcomes.trainable)
    return [*(row.text for row in fitted), *kept.text], [*(row.source for row in fitted), *kept.group.tolist()]


def teach(
    texts: Sequence[str], sources: Sequence[str], encode: Encode, static: StaticEncoder, model: DomainModel
) -> Teaching:
    """Whole texts first, then spans of their words, some joined of two: what a text could be, with the model's word
    on it. A source weighs the root of its size; spans weigh 1 each."""
    views = [view_of(text).bounded for text in texts]
    counts = {source: sources.count(source) for source in set(sources)}
    root = np.array([counts[source] ** -0.5 for source in sources])
    spans, families = _spans(texts, sources, root / root.sum())
    everything = [*views, *spans]
    return Teaching(
        tokens=[static.read(text).tokens for text in everything],
        logits=model.head.logits(encode(everything)).astype(np.float32),
        weight=np.append(root / root.mean(), np.ones(len(spans))).astype(np.float32),
        families=[*(frozenset({family(source)}) for source in sources), *families],
    )


def _spans(
    texts: Sequence[str], sources: Sequence[str], chance: npt.NDArray[np.float64]
) -> tuple[list[str], list[frozenset[str]]]:
    rng = np.random.default_rng(0)

    def span(text: str) -> str:
        words = text[:_SPAN_CHARS].split()
        size = min(len(words), int(rng.integers(*_SPAN_WORDS)))
        begin = int(rng.integers(0, len(words) - size + 1))
        return " ".join(words[begin : begin + size])

    spans, families = [], []
    for number in range(SPANS):
        picked = rng.choice(len(texts), size=2 if number % 3 == 2 else 1, p=chance)
        spans.append(" ".join(span(texts[i]) for i in picked))
        families.append(frozenset(family(sources[i]) for i in picked))
    return spans, families
