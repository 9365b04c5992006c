"""Many words and phrases sought at once, as whole words in any script, whatever the number of them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ahocorasick_rs import AhoCorasick, Implementation

Span = tuple[int, int]
"""First and past-the-last character."""

# Scripts that put no spaces between words have no word boundary to ask for, and a Latin term between Chinese
# letters stands alone: Thai to Tibetan, Myanmar, Khmer, kana, Han.
_UNSPACED = r"\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff"
# Vowel signs and accents belong to the word, but `\w` leaves them out.
_MARKS = r"\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0dff"
_IN_WORD = re.compile(rf"[^\W{_UNSPACED}]|[{_MARKS}]")
_TABLE_LIMIT = 20_000
"""Characters of all entries up to which the automaton is a full table: twice as fast, for 0.2 kB and 1 us each."""


def automaton(entries: Sequence[str]) -> AhoCorasick:
    """Finds every occurrence of every entry, overlapping ones too, in one pass."""
    small = sum(map(len, entries)) <= _TABLE_LIMIT
    return AhoCorasick(entries, store_patterns=False, implementation=Implementation.DFA if small else None)


class WholeWords:
    """Words and phrases as an automaton. Threads may share it."""

    def __init__(self, words: Sequence[str], exclusions: Sequence[str]) -> None:
        """Entries are normalised and spaced once; none is empty."""
        self._words = len(words)
        entries = [*words, *exclusions]
        self._edges = [(_IN_WORD.match(e[0]) is not None, _IN_WORD.match(e[-1]) is not None) for e in entries]
        self._automaton = automaton(entries) if entries else None

    def find(self, text: str) -> tuple[int | None, list[Span]]:
        """The number of the first word found, the longest of those that begin there, and the spans of all exclusions.

        `text` is normalised and spaced once. Words that reach into an exclusion are passed over.
        """
        if self._automaton is None:
            return None, []
        found = self._automaton.find_matches_as_indexes(text, overlapping=True)
        excluded = [
            (start, end) for entry, start, end in found if entry >= self._words and self._whole(text, entry, start, end)
        ]
        words = sorted((start, -end, entry) for entry, start, end in found if entry < self._words)
        removed = bytearray(len(text) if excluded else 0)
        for start, end in excluded:
            removed[start:end] = b"\1" * (end - start)
        for start, minus_end, entry in words:
            if removed.find(1, start, -minus_end) < 0 and self._whole(text, entry, start, -minus_end):
                return entry, excluded
        return None, excluded

    def _whole(self, text: str, entry: int, start: int, end: int) -> bool:
        """An entry that begins or ends with a letter or digit has none beside it there."""
        first, last = self._edges[entry]
        if first and start and _IN_WORD.match(text, start - 1):
            return False
        return not (last and _IN_WORD.match(text, end))
