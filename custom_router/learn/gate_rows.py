"""Labelled answers, and the scores that the gate would give them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from custom_router.confidence.agreement import agreement
from custom_router.confidence.assess import Similarity, signal_set
from custom_router.confidence.base import Opinion
from custom_router.confidence.logprobs import own_confidence, own_reading
from custom_router.confidence.score import gate_score
from custom_router.learn.gate_lines import AnswerLine, BadAnswerLine, read_answer_line
from custom_router.learn.gate_records import is_record, scored_record
from custom_router.learn.gate_scored import Scored
from custom_router.learn.labelled import labelled_lines


@dataclass(frozen=True, slots=True)
class Unread:
    """A line that cannot be fitted on, and why."""

    where: str
    error: str


def read_labelled(paths: Iterable[Path]) -> Iterator[AnswerLine | Scored | Unread]:
    """Read JSON lines with a `score`, and decision records with a judge's or their caller's word. Raises `OSError`,
    `EOFError`."""
    for line in labelled_lines(paths):
        read = read_answer_line(line.raw)
        if isinstance(read, AnswerLine) and read.good is not None:
            yield read
        elif (record := _record(line.raw)) is not None:
            scored = scored_record(record, line.feedback)
            yield scored if isinstance(scored, Scored) else Unread(line.where, scored)
        else:
            yield Unread(line.where, read.error if isinstance(read, BadAnswerLine) else "has no score")


def _record(raw: bytes) -> dict[str, Any] | None:
    try:
        fields = json.loads(raw)
    except (RecursionError, ValueError):
        return None
    return fields if isinstance(fields, dict) and is_record(fields) else None


def with_opinions(rows: Sequence[AnswerLine], model: str) -> list[AnswerLine]:
    """The rows, those of other models each given `model`'s answer to the same segment and id as one more opinion."""
    found = {(row.segment, row.id): row.answer for row in rows if row.answer.model == model}
    given = []
    for row in rows:
        other = found.get((row.segment, row.id))
        if other is None or row.answer.model == model:
            given.append(row)
            continue
        opinion = Opinion(model, other.text, own_confidence(other))
        given.append(replace(row, answer=replace(row.answer, opinions=(*row.answer.opinions, opinion))))
    return given


def score_row(row: AnswerLine, similarity: Similarity | None = None) -> list[Scored]:
    """A labelled row by each signal set that it offers: the model's own confidence alone, and with the opinions."""
    reading = own_reading(row.answer)
    own = None if reading is None else reading[0]
    agreed = [
        (agreement(row.prompt, row.answer.text, opinion.answer, similarity), opinion.confidence)
        for opinion in row.answer.opinions
    ]
    scored = []
    for opinions in [[], agreed] if agreed else [[]]:
        score = gate_score(own, opinions)
        if score is not None and row.good is not None:
            name = signal_set(reading, opinions)
            first = opinions[0][0] if opinions else None
            scored.append(Scored(row.segment, row.answer.model, name, score, own, row.good, first))
    return scored
