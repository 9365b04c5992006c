"""The form in which rules and text meet, made once for all domains."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass

_INVISIBLE = "\u00ad\u200b\u2060\ufeff"
_WORD = re.compile(r"\S+")


def normalise(text: str) -> str:
    """NFKC, casefolded, plain apostrophes and hyphens, no soft hyphens, a question mark for each lone surrogate."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).encode("utf-8", "replace").decode("utf-8")
        for character in _INVISIBLE:
            text = text.replace(character, "")
        text = text.replace("’", "'").replace("‐", "-").replace("–", "-")
    return text.casefold()


def spaced_once(text: str) -> str:
    """Every run of white space made one blank, none at either end: a blank in an entry then matches any run."""
    return " ".join(text.split())


@dataclass(frozen=True, slots=True)
class RuleText:
    """One text as rules read it: `spaced` (one blank for any white space) by terms, phrases and exclusions, `full`
    (white space kept) by patterns."""

    full: str
    spaced: str

    @classmethod
    def of(cls, text: str) -> RuleText:
        """Normalise a text of any length and content."""
        full = normalise(text)
        return cls(full, spaced_once(full))

    def in_full(self, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Where spans of `spaced` that neither begin nor end with a blank lie in `full`."""
        if self.full == self.spaced:
            return spans
        there: list[int] = []
        here: list[int] = []
        position = 0
        for word in _WORD.finditer(self.full):
            there.append(word.start())
            here.append(position)
            position += word.end() - word.start() + 1

        def moved(index: int) -> int:
            word = bisect_right(here, index) - 1
            return there[word] + index - here[word]

        return [(moved(start), moved(end - 1) + 1) for start, end in spans]
