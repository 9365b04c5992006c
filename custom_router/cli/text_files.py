"""Files that commands read and write, `-` being the standard streams."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO


def reading(name: str) -> AbstractContextManager[BinaryIO]:
    """The file to read, or standard input. Raises OSError."""
    return nullcontext(sys.stdin.buffer) if name == "-" else Path(name).open("rb")


def writing(name: str) -> AbstractContextManager[BinaryIO]:
    """The file to write, or standard output. Raises OSError."""
    return nullcontext(sys.stdout.buffer) if name == "-" else Path(name).open("wb")
