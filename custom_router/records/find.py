"""One request's record among the segments on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def segments_newest_first(directory: Path) -> list[Path]:
    """The record files of a folder. Raises `OSError`."""
    return sorted(directory.glob("*.jsonl"), key=lambda path: path.stat().st_mtime, reverse=True)


def find_in(segment: Path, request: str) -> dict[str, Any] | None:
    """The record of a request id, or a LiteLLM call id, in one file. Raises `OSError`."""
    needle = request.encode("utf-8", "surrogateescape")
    with segment.open("rb") as lines:
        for line in lines:
            if needle not in line:
                continue
            try:
                record = json.loads(line)
            except ValueError:  # the last line of a process that was killed while writing
                continue
            if isinstance(record, dict) and request in (record.get("request_id"), record.get("litellm_call_id")):
                return record
    return None
