"""Pairs of questions with the word whether one answer serves both: read, made from labelled intents, and judged."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from custom_router.cache.guards import Guard, first_guard
from custom_router.cache.lexicon import Lexicon
from custom_router.cache.reading import read
from custom_router.classify.base import Vector
from custom_router.encoder import Encoder

NEAR = 0.8
"""Cosine above which two questions of an intent source make a pair; below it nothing is ever served."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two questions; `same` says whether the answer to `a` may be given to `b`, `kind` how they differ."""

    source: str
    a: str
    b: str
    same: bool
    kind: str


@dataclass(frozen=True, slots=True)
class Judged:
    """A pair, its cosine and what the guards say of it."""

    pair: Pair
    cosine: float
    guard: Guard | None


class Embedded:
    """Vectors of texts, each computed once."""

    def __init__(self, encoder: Encoder) -> None:
        self.version = encoder.version
        self._encoder = encoder
        self._known: dict[str, Vector] = {}

    def add(self, texts: Iterable[str]) -> None:
        """Compute what is missing."""
        missing = list(dict.fromkeys(text for text in texts if text not in self._known))
        self._known.update(zip(missing, self._encoder.encode([text.strip() for text in missing]), strict=True))

    def __getitem__(self, text: str) -> Vector:
        if text not in self._known:
            self.add([text])
        return self._known[text]

    def stack(self, texts: Sequence[str]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        """Vectors (n, d)."""
        self.add(texts)
        return np.stack([self._known[text] for text in texts])


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a gzipped JSON-lines file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def labelled_pairs(data: Path) -> list[Pair]:
    """The pairs of `cache_pairs.jsonl.gz`."""
    return [
        Pair(row["source"], row["a"], row["b"], row["label"] == 1, "+".join(row["diff"]) or "other")
        for row in rows(data / "cache_pairs.jsonl.gz")
    ]


def intent_pairs(data: Path, sources: Sequence[str], embedded: Embedded) -> list[Pair]:
    """All near pairs of questions within each source of intents: the same intent is the same answer."""
    questions: dict[str, dict[str, tuple[str, str]]] = defaultdict(dict)
    for row in rows(data / "domain.jsonl.gz"):
        if row["source"] in sources:
            # Texts that differ in nothing but case would be recognised anyhow and would only flatter the curve.
            questions[row["source"]].setdefault(row["text"].casefold().strip(), (row["text"].strip(), row["sub"]))
    found = []
    for source, held in questions.items():
        texts = list(held.values())
        vectors = embedded.stack([text for text, _ in texts])
        for i, j in zip(*np.where(np.triu(vectors @ vectors.T, 1) > NEAR), strict=True):
            (a, intent_a), (b, intent_b) = texts[i], texts[j]
            found.append(Pair(source, a, b, intent_a == intent_b, "intent"))
    return found


def judged(pairs: Sequence[Pair], embedded: Embedded, lexicon: Lexicon) -> list[Judged]:
    """Every pair with its cosine and its first guard."""
    embedded.add(text for pair in pairs for text in (pair.a, pair.b))
    return [
        Judged(
            pair,
            float(embedded[pair.a] @ embedded[pair.b]),
            first_guard(read(pair.a, lexicon), read(pair.b, lexicon), lexicon),
        )
        for pair in pairs
    ]
