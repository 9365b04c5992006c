"""A text without what changes how it looks to a model and not how it reads: blank lines, padding, invisible characters.

Sixty line breaks after a hard question make it look like another kind of prompt. What a request says is read both ways.
"""

from __future__ import annotations

import re
import unicodedata

from custom_router.domains.text import normalise
from custom_router.request import head_and_tail

_READ = 16_000
_BLANK_LINES = re.compile(r"[^\S\n]*(?:\r\n?|\n)(?:\s*(?:\r\n?|\n)){3,}\s*")
"""Three blank lines or more: two part the functions of a program."""
_PADDING = re.compile(r"(?<=\S)[^\S\r\n]{4,}")
_LINES = 5
_WORDS_A_LINE = 1.5
# Letters that look like Latin ones, after case folding.
_LOOKALIKES = str.maketrans("аеорсухікмнтвгԁѕјѵԛԝһαορνικτυχ", "aeopcyxikmhtbrdsjvqwhaopviktux")


def laid_out(text: str) -> str:
    """The text with one blank for many blank lines and for padding, nothing at its ends, nothing invisible; the words
    of a text of many short lines in one line. Of a very long text where there is such, head and tail."""
    text = text.strip()
    shown = head_and_tail(text, _READ)
    plain = _laid_out(shown)
    return text if plain == shown else plain


def _laid_out(text: str) -> str:
    if not text.isascii():
        text = "".join(c for c in text if unicodedata.category(c) != "Cf").strip()
    text = _PADDING.sub(" ", _BLANK_LINES.sub(" ", text))
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) >= _LINES and len(text.split()) < _WORDS_A_LINE * len(lines):
        text = " ".join(line.strip() for line in lines)
    return text


def recognisable(text: str) -> str:
    """The text as patterns of lower-case words are looked for in it: look-alikes of Latin letters folded."""
    folded = normalise(text)
    return folded if folded.isascii() else folded.translate(_LOOKALIKES)
