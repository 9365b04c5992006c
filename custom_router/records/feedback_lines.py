"""What callers have said of answers, read back from the segments beside the records."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = "feedback"
"""Within the folder of the records."""


def read_feedback(records: Path) -> dict[str, float]:
    """How good callers found answers, 0 to 1, by request id, the latest of each request. Raises `OSError`, `EOFError`.

    `records` is a folder of records, or one of its files. Lines that cannot be read, a killed process's last one say,
    are passed over.
    """
    folder = (records if records.is_dir() else records.parent) / FOLDER
    latest: dict[str, tuple[str, float]] = {}
    for line in _lines(folder):
        request, score, when = line.get("request_id"), line.get("score"), line.get("time")
        if not isinstance(request, str) or not isinstance(when, str):
            continue
        if not isinstance(score, int | float) or not -1 <= score <= 1:
            continue
        if request not in latest or when >= latest[request][0]:
            latest[request] = when, (score + 1.0) / 2.0
    return {request: good for request, (_, good) in latest.items()}


def _lines(folder: Path) -> Iterator[dict[str, Any]]:
    for segment in sorted(folder.glob("*.jsonl*")):
        with gzip.open(segment, "rb") if segment.suffix == ".gz" else segment.open("rb") as lines:
            for raw in lines:
                try:
                    line = json.loads(raw)
                except (RecursionError, ValueError):
                    continue
                if isinstance(line, dict):
                    yield line
