"""A domain's regular expressions, in RE2, which takes time in proportion to the text whatever the expression."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from typing import Any

import re2

_OPTIONS = re2.Options()
_OPTIONS.case_sensitive = False
_OPTIONS.log_errors = False
# RE2 knows ASCII letters as word characters: beside any other letter `\b` would silently never match.
_BOUNDARY_BESIDE_LETTER = re.compile(r"\\b(?:\(\?:|\()*[^\x00-\x7f]|[^\x00-\x7f]\)*\\b")


def compile_pattern(text: str) -> Any:
    """Compile one regular expression in RE2's syntax, ignoring case.

    Raises `ValueError` naming the expression, the fault and the mend.
    """
    if _BOUNDARY_BESIDE_LETTER.search(text):
        raise ValueError(
            f"{text!r}: \\b knows ASCII letters only and would never match there; "
            "leave it out, or list the words under `terms`, which know every script"
        )
    try:
        return re2.compile(text, _OPTIONS)
    except (re2.error, UnicodeError) as error:
        reason = error.args[0] if error.args else error
        fault = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else reason
        raise ValueError(
            f"{text!r} is not a regular expression of RE2: {fault}. Correct it (RE2 has no look-around and no "
            "back-references), put a backslash before a character meant literally, or list the words under `terms`"
        ) from error


class Patterns:
    """Regular expressions in order. Threads may share it."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = tuple(compile_pattern(pattern) for pattern in patterns)

    def search(self, text: str, end: float) -> int | None:
        """The number, from 0, of the first that matches somewhere in the normalised `text`.

        Raises `TimeoutError` when `time.thread_time()` passes `end`, in seconds, between two expressions.
        """
        for number, pattern in enumerate(self._patterns):
            if time.thread_time() > end:
                raise TimeoutError
            if pattern.search(text) is not None:
                return number
        return None
