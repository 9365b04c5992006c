"""Files that commands read and write, `-` being the standard streams."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO


def reading(name: str) -> AbstractContextManager[BinaryIO]:
    """The file to read, or standard input. Raises OSError."""
    return nullcontext(sys.stdin.buffer) if name == "-" else Path(name).open("rb")


def writing(name: str) -> AbstractContextManager[BinaryIO]:
    """The file to write, or standard output. Raises OSError."""
    return nullcontext(sys.stdout.buffer) if name == "-" else Path(name).open("wb")


def answer_lines(
    source: BinaryIO, target: BinaryIO, answer: Callable[[bytes], tuple[Mapping[str, object], str | None]]
) -> list[tuple[int, str]]:
    """Write one JSON line for each line of `source` that is not blank, in order.

    `answer` gives a line's fields and, where it could not be read, why. Returns the bad lines' numbers and reasons.
    """
    bad: list[tuple[int, str]] = []
    for number, raw in enumerate(source, 1):
        content = raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw
        if not content.strip():
            continue
        fields, error = answer(content)
        if error is not None:
            bad.append((number, error))
        target.write(json.dumps(fields).encode("ascii") + b"\n")
    target.flush()
    return bad
