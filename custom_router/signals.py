"""Signals that need no model: what the shape of a request says before anything is encoded."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import re2


class Signal(StrEnum):
    """A property of a request that policy rules may set a floor for and that the classifier uses as a feature."""

    CODE = "code"
    MATH = "math"
    TOOLS = "tools"
    ATTACHMENT = "attachment"
    JSON = "json"


_SCANNED = 8_000
_OPTIONS = re2.Options()
_OPTIONS.never_capture = True
_OPTIONS.log_errors = False


def _any(*patterns: str) -> Any:
    return re2.compile("|".join(f"(?:{pattern})" for pattern in patterns).encode(), _OPTIONS)


_LANGUAGES = r"\b(?:python|javascript|typescript|java|c\+\+|c#|golang|rust|sql|bash|regex|%shtml|css)(?:\W|$)"
_WORK = r"\b(?:code|function|script|class|query|program|bug|%srefactor|implement)\b"

# RE2, because these run in the event loop over thousands of characters, dozens of times quicker than `re` and in time
# proportional to the text. Its `\w`, `\b` and `\d` know ASCII only, which is what code and formulas are written in.
# White space at a line's edge is spaces and tabs only: code begins and ends on one line.
_CODE = _any(
    r"```",
    r"(?m)^[ \t]*(?:def|class|import|from|public|private|func|fn|package)\s+\w",
    r"(?m)^[ \t]*(?:#include|SELECT|INSERT|UPDATE|CREATE TABLE)\s+\w",
    r"\b(?:function|const|let|var)\s+\w+\s*[=(]",
    r"\b(?:Traceback \(most recent|NullPointerException|SyntaxError|TypeError|segfault|stack trace)\b",
    r"(?m)[{;][ \t]*$",
    r"(?m)</?\w{1,40}[^<>]{0,80}/?>[ \t]*$",
    r"(?m)^[ \t]*\$\s+(?:git|npm|pip|docker|kubectl|cd|ls)\b",
    "(?is)" + _LANGUAGES % "kubernetes|dockerfile|" + ".{0,120}" + _WORK % "error|method|unit tests?|",
    "(?is)" + _WORK % "" + ".{0,120}" + _LANGUAGES % "",
)
_MATH = _any(
    r"(?i)\\(?:frac|int|sum|sqrt|begin\{(?:align|equation|matrix)|mathbb|cdot|leq|geq)",
    r"\$[^$\n]{1,200}[=^_\\][^$\n]{0,200}\$",
    r"(?i)\b(?:prove that|theorem|lemma|derivative|integral|eigenvalues?|polynomials?|modulo|probability that)\b",
    r"(?i)\b(?:solve for|equation|matrix|matrices|logarithm|factorial|hypotenuse|differentiate)\b",
    r"\d\s*[\^*/×÷]\s*\d",
    r"(?i)\b[a-z]\s*(?:\^|\*\*)\s*\d",
    r"[∑∫√≤≥≠∈∀∃π]",
)


def detect_signals(text: str, *, tools: int, attachments: int, json_mode: bool) -> frozenset[Signal]:
    """Signals of one request. `text` is the last user turn; only its first 8,000 characters are scanned."""
    scanned = text[:_SCANNED].encode("utf-8", "replace")
    found = {
        Signal.CODE: _CODE.search(scanned),
        Signal.MATH: _MATH.search(scanned),
        Signal.TOOLS: tools,
        Signal.ATTACHMENT: attachments,
        Signal.JSON: json_mode,
    }
    return frozenset(signal for signal, present in found.items() if present)
