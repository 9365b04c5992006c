"""Writes the shipped gate artifact: stated priors, and what data marked *train* can tell about agreement."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from custom_router.confidence.calibrate import Calibrator, DataSource, Entry, GateArtifact
from custom_router.learn.gate_fit import VERSION, pooled_entry
from custom_router.learn.gate_lines import AnswerLine
from custom_router.learn.gate_rows import read_labelled, score_row, with_opinions
from custom_router.learn.gate_scored import Scored

SOURCE = "mmlu_pro"
"""The only source marked *train* that holds answers; it has no confidences."""
PAIRS = (
    ("llama-3.1-8b-instruct", "llama-3.1-70b-instruct"),
    ("llama-3.1-8b-instruct", "gemini-1.5-pro-002"),
    ("llama-3.1-70b-instruct", "gemini-1.5-pro-002"),
)
"""(model judged, model that gives the second opinion)."""

_PRIOR = "a prior, not a fit: no data that may be shipped holds confidences"


def _prior(signals: str, intercept: float, slope: float, why: str) -> Entry:
    return Entry(
        signals=signals,
        calibrator=Calibrator(intercept=intercept, low=slope, high=slope),
        note=f"{_PRIOR}; {why}",
    )


PRIORS = (
    # (logit - 3) / 4 = score, so 0.4 * logit - 0.2 = 1.0 + 1.6 * score; the others likewise.
    _prior("*", 1.0, 1.6, "log odds = 0.4 * the model's own - 0.2, since own confidences run .08-.30 too high"),
    _prior("words", 2.1, 2.0, "log odds = 0.5 * the mean token's + 0.6: open text is likely at about 0.8 a token"),
    _prior("verbal", 0.55, 1.0, "log odds = 0.25 * the model's own - 0.2: written confidences are weak"),
    _prior("*+opinion", 0.5, 0.7, "log odds = 0.5 + 0.7 * score: a sure opinion moves it by 3.5 either way"),
)


def rows_with_prompts(data: Path) -> Iterator[Scored]:
    """Each pair's answers in the folder `data`, the segment being the question's subject."""
    asked = {}
    with gzip.open(data / "router.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            question: dict[str, Any] = json.loads(line)
            if question["source"] == SOURCE:
                asked[question["id"]] = (question["prompt"], question["category"])
    read = [
        replace(row, prompt=asked[row.id][0], segment=asked[row.id][1])
        for row in read_labelled([data / "answers.jsonl.gz"])
        if isinstance(row, AnswerLine) and row.segment == SOURCE
    ]
    for model, opinion in PAIRS:
        kept = [row for row in read if row.answer.model in (model, opinion)]
        for row in with_opinions(kept, opinion):
            if row.answer.model == model:
                yield from score_row(row)


def main(
    data: Annotated[Path, typer.Option(help="Folder of the data.", exists=True, file_okay=False)],
    out: Annotated[Path, typer.Option(help="Artifact to write.")] = Path("custom_router/artifacts/gate.json"),
) -> None:
    """Fit the shipped artifact."""
    rows = list(rows_with_prompts(data))
    start = Calibrator(intercept=0.0, low=0.5, high=0.5)
    pooled = pooled_entry("opinion", rows, start)
    agreed = [row for row in rows if (row.agreement or 0.0) >= 0.5]
    apart = [row for row in rows if (row.agreement or 0.0) < 0.5]
    note = (
        f"option letters, no confidences: good when agreed {_share(agreed):.3f} of {len(agreed)}, "
        f"when not {_share(apart):.3f} of {len(apart)}; pairs "
        + ", ".join(f"{model} judged by {opinion}" for model, opinion in PAIRS)
    )
    artifact = GateArtifact(
        version=VERSION,
        data=(DataSource(name=f"{SOURCE} (TIGER-AI-Lab/MMLU-Pro outputs, Apache-2.0)", rows=len(rows), note=note),),
        fallbacks=(*PRIORS, pooled),
    )
    artifact.save(out)
    for entry in artifact.fallbacks:
        points = "  ".join(f"{score:+d}: {entry.calibrator(score):.3f}" for score in (-4, -2, 0, 2, 4))
        print(f"{entry.signals:12s} {points}  {entry.note}")
    print(note)


def _share(rows: list[Scored]) -> float:
    return sum(row.good for row in rows) / max(len(rows), 1)


if __name__ == "__main__":
    typer.run(main)
