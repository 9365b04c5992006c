"""Lines to learn from: files, folders of records, and what callers said of them."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from custom_router.records.feedback_lines import read_feedback


@dataclass(frozen=True, slots=True)
class LabelledLine:
    """One line of a file, `where` in words. `feedback` is how good callers found answers, 0 to 1, by request id, as the
    segments beside the file tell."""

    where: str
    raw: bytes
    feedback: Mapping[str, float]


def labelled_lines(paths: Iterable[Path]) -> Iterator[LabelledLine]:
    """Lines of files and of the `.jsonl` files of folders, gzipped where a name ends in .gz; blank ones are left out.
    Raises `OSError`, `EOFError`."""
    known: dict[Path, dict[str, float]] = {}
    for path in paths:
        folder = path if path.is_dir() else path.parent
        if folder not in known:
            known[folder] = read_feedback(folder)
        for file in sorted(path.glob("*.jsonl*")) if path.is_dir() else [path]:
            with gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb") as lines:
                for number, raw in enumerate(lines, 1):
                    if raw.strip():
                        yield LabelledLine(f"{file}:{number}", raw, known[folder])


def said_of(record: Mapping[str, Any], feedback: Mapping[str, float]) -> float | None:
    """How good the answer delivered was, 0 to 1: by a judge, else by who asked; None where nobody has said."""
    outcome = record.get("outcome") or {}
    told = (outcome.get("judge"), outcome.get("feedback"), feedback.get(str(record.get("request_id"))))
    return next((float(v) for v in told if isinstance(v, int | float) and 0.0 <= v <= 1.0), None)
