"""Outcome data as arrays: which model scored what on which prompt, and the prompts' vectors."""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from custom_router.encoder.base import Encoder, Vectors

logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.float64]
Encode = Callable[[Sequence[str]], Vectors]
"""Texts to unit vectors (n, d): an encoder's `encode`, or `encode_cached` bound to a folder."""
Mask = npt.NDArray[np.bool_]

TRAIN_SOURCES = ("mmlu_pro", "llmrouter", "routellm_mmlu")
"""Sources whose licence lets them shape a shipped artifact; every other one is only evaluated on."""
LICENCES = {
    "mmlu_pro": "TIGER-AI-Lab/MMLU-Pro evaluation outputs, Apache-2.0",
    "llmrouter": "ulab-uiuc/LLMRouter, MIT (underlying sets differ)",
    "routellm_mmlu": "lm-sys/RouteLLM evals, Apache-2.0 (MMLU: MIT)",
}
WEAK_MODELS = {
    "mmlu_pro": (
        "llama-3.1-8b-instruct",
        "phi-3-mini-4k-instruct",
        "mixtral-8x7b-instruct",
        "mistral-7b-instruct-v0.2",
        "qwen1.5-7b-chat",
    ),
    "llmrouter": (
        "mistral-7b-instruct-v0.3",
        "llama-3.1-8b-instruct",
        "qwen2.5-7b-instruct",
        "gemma-2-9b-it",
    ),
    "routellm_mmlu": ("mixtral-8x7b-instruct",),
}
"""Models of the simple tier's class in each training source: their mean failure is a prompt's difficulty."""
EPSILON = 0.01
"""Scores this close count as equally good: graders' scores are rarely finer."""
_CHECKPOINT = 2_000


@dataclass(frozen=True)
class Outcomes:
    """Prompts and what each tier scored on them, one row a prompt.

    `score` is (n, 3) in 0..1 for simple, medium and frontier; medium is NaN where the source has no such model.
    `difficulty` (n,) in 0..1 is the mean failure of the source's weak models (`WEAK_MODELS`), else of its simple
    tier alone.
    `group` is the source, or `llmrouter:<category>`, whose categories are data sets of their own.
    """

    text: list[str]
    group: npt.NDArray[np.str_]
    trainable: Mask
    score: Floats
    difficulty: Floats

    def __len__(self) -> int:
        return len(self.text)

    def where(self, mask: Mask) -> Outcomes:
        """The rows that `mask` (n,) keeps."""
        kept = np.flatnonzero(mask)
        return Outcomes(
            [self.text[i] for i in kept],
            self.group[kept],
            self.trainable[kept],
            self.score[kept],
            self.difficulty[kept],
        )

    def suffices(self, tier: int) -> Floats:
        """1.0 where tier 0 or 1 scored no worse than the frontier, else 0.0; NaN where it was not tried."""
        score, best = self.score[:, tier], self.score[:, 2]
        return np.where(np.isnan(score), np.nan, (score >= best - EPSILON).astype(np.float64))


def read_outcomes(data: Path) -> Outcomes:
    """Read `router.jsonl.gz` in the folder `data`. Rows without a prompt or a tier's score are left out."""
    texts: list[str] = []
    groups: list[str] = []
    trainable: list[bool] = []
    scores: list[tuple[float, float, float]] = []
    difficulty: list[float] = []
    for row in _lines(data / "router.jsonl.gz"):
        models, tiers = row["models"], row["tiers"]
        found = [models.get(tiers.get(name), {}).get("score") for name in ("small", "mid", "strong")]
        if not row["prompt"] or found[0] is None or found[2] is None:
            continue
        source = row["source"]
        weak = [models[name]["score"] for name in WEAK_MODELS.get(source, (tiers["small"],)) if name in models]
        texts.append(row["prompt"])
        groups.append(f"llmrouter:{row['category']}" if source == "llmrouter" else source)
        trainable.append(source in TRAIN_SOURCES)
        scores.append((found[0], np.nan if found[1] is None else found[1], found[2]))
        difficulty.append(1.0 - sum(weak) / len(weak))
    return Outcomes(
        texts,
        np.array(groups),
        np.array(trainable),
        np.array(scores, np.float64),
        np.array(difficulty, np.float64),
    )


_OPTIONS = re.compile(r"\n(?:Choices:\s*\n)?\s*\(?A[.:)]\s.*\Z", re.DOTALL)


def without_options(text: str) -> str:
    """The question of a multiple-choice prompt, its options cut off; any other text unchanged."""
    return _OPTIONS.sub("", text).strip() or text


def encode_cached(texts: Sequence[str], encoder: Encoder, directory: Path) -> Vectors:
    """Vectors of `texts`, float32 (n, d), encoding only those that `directory` does not hold yet.

    One file an encoder version, keyed by a hash of the text; no text is stored. It is saved every few thousand
    texts, so an interrupted run resumes.
    """
    path = directory / f"vec_{encoder.version.replace('/', '_')}.npz"
    known: dict[bytes, Vectors] = {}
    if path.exists():
        with np.load(path) as held:
            known = {key.tobytes(): vector for key, vector in zip(held["keys"], held["vectors"], strict=True)}
    keys = [hashlib.blake2b(t.encode("utf-8", "surrogatepass"), digest_size=16).digest() for t in texts]
    missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
    for done, (key, text) in enumerate(missing.items(), start=1):
        known[key] = encoder.encode([text])[0]
        if done % _CHECKPOINT == 0 or done == len(missing):
            logger.info("encoded %d of %d new texts", done, len(missing))
            _save(path, known)
    return np.stack([known[key] for key in keys]) if keys else np.zeros((0, encoder.dimension), np.float32)


def _save(path: Path, known: dict[bytes, Vectors]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    keys = np.frombuffer(b"".join(known), np.uint8).reshape(len(known), 16)
    partial = path.with_name(f"{path.stem}.{os.getpid()}.partial.npz")
    np.savez(partial, keys=keys, vectors=np.stack(list(known.values())))
    partial.replace(path)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
