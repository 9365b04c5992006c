"""The five recorded cascades: nine models' answers to the same questions, with confidence, cost and outcome."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from custom_router.confidence.agreement import agreement
from custom_router.confidence.assess import Similarity
from custom_router.confidence.score import clipped_logit, gate_score

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]

PREFIX = "cascade_"


@dataclass(frozen=True)
class Outcome:
    """One model on one cascade's n questions: `good` 0..1, `cost` in USD, `own` log probability, `answers`."""

    good: Floats
    cost: Floats
    own: Floats
    answers: list[str]


class Cascade:
    """One source: its prompts and every model's outcomes, and what is derived from them."""

    def __init__(self, name: str, prompts: list[str], outcomes: dict[str, Outcome], similarity: Similarity) -> None:
        self.name = name
        self.prompts = prompts
        self.models = outcomes
        self._similarity = similarity
        self._agreements: dict[tuple[str, str], Floats] = {}

    def __len__(self) -> int:
        return len(self.prompts)

    def agreement(self, model: str, other: str) -> Floats:
        """How far two models' answers agree, 0..1, (n,)."""
        key = (min(model, other), max(model, other))
        if key not in self._agreements:
            pairs = zip(self.prompts, self.models[key[0]].answers, self.models[key[1]].answers, strict=True)
            self._agreements[key] = np.array([agreement(prompt, a, b, self._similarity) for prompt, a, b in pairs])
        return self._agreements[key]

    def score(self, model: str, opinion: str | None = None) -> Floats:
        """The gate's score (n,) of a model's answers, with another model's as a second opinion where one is named."""
        own = self.models[model].own
        if opinion is None:
            return np.array([gate_score(float(one)) for one in own], np.float64)
        agreed, other = self.agreement(model, opinion), self.models[opinion].own
        rows = zip(own, agreed, other, strict=True)
        return np.array([gate_score(float(o), [(float(a), float(c))]) for o, a, c in rows], np.float64)

    def own_logit(self, model: str) -> Floats:
        """Clipped log odds of the model's own confidence (n,)."""
        return np.array([clipped_logit(float(one)) for one in self.models[model].own])


def read_cascades(data: Path, similarity: Similarity) -> list[Cascade]:
    """Read `router.jsonl.gz` and `answers.jsonl.gz` in the folder `data`. Raises OSError."""
    answers: dict[tuple[str, str], dict[str, Any]] = {}
    for row in _lines(data / "answers.jsonl.gz"):
        if row["source"].startswith(PREFIX):
            answers[row["id"], row["model"]] = row
    questions: dict[str, list[dict[str, Any]]] = {}
    for row in _lines(data / "router.jsonl.gz"):
        if row["source"].startswith(PREFIX):
            questions.setdefault(row["source"], []).append(row)
    cascades = []
    for name, rows in sorted(questions.items()):
        outcomes = {
            model: Outcome(
                np.array([row["models"][model]["score"] for row in rows], np.float64),
                np.array([row["models"][model]["cost"] for row in rows], np.float64),
                np.array([answers[row["id"], model]["conf"] for row in rows], np.float64),
                [answers[row["id"], model]["answer"] for row in rows],
            )
            for model in sorted(rows[0]["models"])
        }
        cascades.append(Cascade(name.removeprefix(PREFIX), [row["prompt"] for row in rows], outcomes, similarity))
    return cascades


def _lines(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]
