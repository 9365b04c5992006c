"""Real prompts with what a model of each tier scored on them, for replay through the proxy."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from custom_router.learn.outcomes import TRAIN_SOURCES
from custom_router.records.record import TokenFields

SOURCES = (
    "cascade_mmlu",
    "cascade_medmcqa",
    "cascade_triviaqa",
    "cascade_truthfulqa",
    "cascade_gsm8k",
    "alpacaeval2",
)
"""Sources that nothing shipped was fitted on."""
_ROLES = ("small", "mid", "strong")
_CHARACTERS_A_TOKEN = 4
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class OutcomeRow:
    """A prompt; `score` (0..1) and `tokens` of the recorded answers of the simple, medium and frontier model."""

    id: str
    source: str
    prompt: str
    score: tuple[float, float, float]
    tokens: tuple[TokenFields, TokenFields, TokenFields]


def read_rows(data: Path) -> list[OutcomeRow]:
    """The usable rows of `SOURCES` in `data`/router.jsonl.gz.

    Left out: rows that lack a tier's score, a prompt already seen, and a question that a training source holds too.
    """
    trained: set[str] = set()
    found: list[OutcomeRow] = []
    with gzip.open(data / "router.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row["source"] in TRAIN_SOURCES:
                trained.add(question_key(row["prompt"] or ""))
            elif row["source"] in SOURCES and (usable := _read(row)) is not None:
                found.append(usable)
    fresh = [row for row in found if question_key(row.prompt) not in trained]
    return list({row.prompt: row for row in fresh}.values())


def question_key(prompt: str) -> str:
    """What two prompts share when they ask the same question with other options or punctuation: the first line."""
    return " ".join(_WORD.findall(prompt.strip().split("\n", 1)[0].lower()))[:120]


def stratified(rows: Iterable[OutcomeRow], count: int, seed: int) -> list[OutcomeRow]:
    """`count` rows or fewer, as nearly equally many a source as there are, in an order that mixes the sources."""
    rng = Random(seed)  # noqa: S311 - reproducible, not secret
    queues: dict[str, list[OutcomeRow]] = {}
    for row in rows:
        queues.setdefault(row.source, []).append(row)
    for queue in queues.values():
        rng.shuffle(queue)
    taken: list[OutcomeRow] = []
    while len(taken) < count and any(queues.values()):
        for queue in queues.values():
            if queue and len(taken) < count:
                taken.append(queue.pop())
    rng.shuffle(taken)
    return taken


def _read(row: Mapping[str, Any]) -> OutcomeRow | None:
    answers = [row["models"].get(row["tiers"].get(role), {}) for role in _ROLES]
    if not row["prompt"] or any(answer.get("score") is None for answer in answers):
        return None
    simple, medium, frontier = answers
    return OutcomeRow(
        row["id"],
        row["source"],
        row["prompt"],
        (float(simple["score"]), float(medium["score"]), float(frontier["score"])),
        (_tokens(row, simple), _tokens(row, medium), _tokens(row, frontier)),
    )


def _tokens(row: Mapping[str, Any], answer: Mapping[str, Any]) -> TokenFields:
    """Recorded counts where there are any, else a token for every four characters."""
    sent = answer.get("in_tokens") or -(-len(row["prompt"]) // _CHARACTERS_A_TOKEN)
    received = answer.get("out_tokens") or -(-int(answer.get("out_chars") or 0) // _CHARACTERS_A_TOKEN)
    return TokenFields(int(sent), int(received))
