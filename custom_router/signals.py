"""Signals that need no model: what the shape of a request says before anything is encoded."""

from __future__ import annotations

import re
from enum import StrEnum


class Signal(StrEnum):
    """A property of a request that policy rules may set a floor for and that the classifier uses as a feature."""

    CODE = "code"
    MATH = "math"
    TOOLS = "tools"
    ATTACHMENT = "attachment"
    JSON = "json"


_SCANNED = 8_000

# White space at a line's edge is spaces and tabs only: `\s` would cross lines, and thousands of empty lines would
# then take seconds.
_CODE = re.compile(
    r"""```
      | ^[ \t]*(?:def|class|import|from|public|private|func|fn|package)\s+\w
      | ^[ \t]*(?:\#include|SELECT|INSERT|UPDATE|CREATE\ TABLE)\s+\w
      | \b(?:function|const|let|var)\s+\w+\s*[=(]
      | \b(?:Traceback\ \(most\ recent|NullPointerException|SyntaxError|TypeError|segfault|stack\ trace)\b
      | [{;][ \t]*$
      | </?\w{1,40}[^<>]{0,80}/?>[ \t]*$
      | ^[ \t]*\$\s+(?:git|npm|pip|docker|kubectl|cd|ls)\b
    """,
    re.VERBOSE | re.MULTILINE,
)
_CODE_WORDS = re.compile(
    r"\b(?:python|javascript|typescript|java|c\+\+|c#|golang|rust|sql|bash|regex|kubernetes|dockerfile|html|css)(?!\w)"
    r".{0,120}\b(?:code|function|script|class|query|program|bug|error|method|unit tests?|refactor|implement)\b"
    r"|\b(?:code|function|script|class|query|program|bug|refactor|implement)\b.{0,120}"
    r"\b(?:python|javascript|typescript|java|c\+\+|c#|golang|rust|sql|bash|regex|html|css)(?!\w)",
    re.IGNORECASE | re.DOTALL,
)
_MATH = re.compile(
    r"""\\(?:frac|int|sum|sqrt|begin\{(?:align|equation|matrix)|mathbb|cdot|leq|geq)
      | \$[^$\n]{1,200}[=^_\\][^$\n]{0,200}\$
      | \b(?:prove\ that|theorem|lemma|derivative|integral|eigenvalues?|polynomials?|modulo|probability\ that)\b
      | \b(?:solve\ for|equation|matrix|matrices|logarithm|factorial|hypotenuse|differentiate)\b
      | \d\s*[\^*/×÷]\s*\d
      | \b[a-z]\s*(?:\^|\*\*)\s*\d
      | [∑∫√≤≥≠∈∀∃π]
    """,
    re.VERBOSE | re.IGNORECASE,
)


def detect_signals(text: str, *, tools: int, attachments: int, json_mode: bool) -> frozenset[Signal]:
    """Signals of one request. `text` is the last user turn; only its first 8,000 characters are scanned."""
    scanned = text[:_SCANNED]
    found = {
        Signal.CODE: _CODE.search(scanned) or _CODE_WORDS.search(scanned),
        Signal.MATH: _MATH.search(scanned),
        Signal.TOOLS: tools,
        Signal.ATTACHMENT: attachments,
        Signal.JSON: json_mode,
    }
    return frozenset(signal for signal, present in found.items() if present)
