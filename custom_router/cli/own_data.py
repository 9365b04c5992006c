"""Reading a team's labelled traffic for a command, with what it says when it cannot."""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from custom_router.cli.terminal import fail, os_reason, say

if TYPE_CHECKING:
    from custom_router.encoder import StaticEncoder
    from custom_router.learn.own_rows import OwnRows

DataOption = Annotated[
    list[Path],
    typer.Option(metavar="FILE", help="Labelled traffic: JSON lines, .gz, or a folder of records; repeatable."),
]


def open_encoder() -> StaticEncoder:
    """The static encoder; exits with 1 where it cannot be loaded."""
    from custom_router.encoder import EncoderUnavailable, StaticEncoder

    try:
        return StaticEncoder.load()
    except EncoderUnavailable as error:
        fail(str(error))


def open_rows(data: list[Path], encoder: StaticEncoder) -> OwnRows:
    """The labelled rows in order of time, with progress on a terminal; exits with 1 where there are none."""
    from custom_router.learn.own_rows import own_rows, read_own

    left_out: Counter[str] = Counter()
    began = time.monotonic()

    def progress(done: int) -> None:
        if sys.stderr.isatty():
            rate = done / max(time.monotonic() - began, 1e-9)
            sys.stderr.write(f"\r{done:,} of {len(lines):,} prompts read, {rate:,.0f} a second")
            sys.stderr.flush()

    try:
        lines = list(read_own(data, left_out))
        rows = own_rows(lines, encoder.encode, progress)
    except EOFError as error:
        fail(f"a .gz file ends too early: {error}")
    except OSError as error:
        fail(f"{error.filename}: {os_reason(error)}")
    if sys.stderr.isatty() and lines:
        say(err=True)
    for reason, count in left_out.most_common(5):
        say(f"{count} lines left out: {reason}", err=True)
    if not len(rows):
        fail("no line that can be learned from; docs/training.md says what a line holds")
    return rows
