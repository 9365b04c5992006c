"""What the commands say to people: colour only on a terminal, errors on standard error, never a traceback."""

from __future__ import annotations

import os
from typing import NoReturn

import typer

_COLOURS = {"error": "red", "warning": "yellow", "note": "blue", "heading": "cyan"}


def say(text: str = "", *, err: bool = False) -> None:
    """Print one piece of text. Styling is dropped where the stream is no terminal or NO_COLOR is set."""
    typer.echo(text, err=err, color=False if os.environ.get("NO_COLOR") else None)


def paint(text: str, kind: str) -> str:
    """Text in the colour of its kind: error, warning, note or heading."""
    return typer.style(text, fg=_COLOURS[kind], bold=kind in ("error", "heading"))


def fail(message: str) -> NoReturn:
    """Say on standard error what went wrong, where, and the mend; then exit with 1."""
    say(f"{paint('error:', 'error')} {message}", err=True)
    raise typer.Exit(1)


def os_reason(error: OSError) -> str:
    """An operating-system error in a few words, without its number."""
    return error.strerror or str(error)
