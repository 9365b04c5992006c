"""A domain's regular expressions: compiled with a clear refusal, searched with a deadline."""

from __future__ import annotations

import time
from collections.abc import Iterable

import regex

from custom_router.domains.openings import openings
from custom_router.domains.words import automaton

_TRIED_ALONE = 128
"""Trying an expression at one place costs as much as searching about this many characters."""


class Patterns:
    """Regular expressions in order. Threads may share it."""

    def __init__(self, patterns: Iterable[regex.Pattern[str]]) -> None:
        self._patterns = tuple(patterns)
        self._anchored: dict[int, regex.Pattern[str]] = {}
        owners: dict[str, list[int]] = {}
        for number, pattern in enumerate(self._patterns):
            heads = openings(pattern.pattern)
            if heads:
                # With a branch that never matches, `regex` knows of no text that every match holds, and does not
                # look for one through all the rest of the prompt before it tries a place.
                self._anchored[number] = regex.compile(f"(?!)|{pattern.pattern}", regex.IGNORECASE)
            for head in heads:
                owners.setdefault(head, []).append(number)
        self._owners = list(owners.values())
        self._automaton = automaton(list(owners)) if owners else None

    def search(self, text: str, end: float) -> int | None:
        """The number, from 0, of the first that matches somewhere in the normalised `text`.

        Raises `TimeoutError` when the monotonic clock passes `end`, in seconds.
        """
        starts = self._starts(text)
        for number, pattern in enumerate(self._patterns):
            left = _left(end)
            places = starts.get(number)
            if places is None or len(places) * _TRIED_ALONE > len(text):
                matched = pattern.search(text, timeout=left) is not None
            else:
                anchored = self._anchored[number]
                matched = any(anchored.match(text, place, timeout=_left(end)) for place in places)
            if matched:
                return number
        return None

    def _starts(self, text: str) -> dict[int, list[int]]:
        """Where each expression that has openings may match."""
        if self._automaton is None or "ı" in text:  # `regex` alone holds a dotless i equal to i
            return {}
        starts: dict[int, list[int]] = {number: [] for number in self._anchored}
        for head, start, _ in self._automaton.find_matches_as_indexes(text, overlapping=True):
            for number in self._owners[head]:
                starts[number].append(start)
        return starts


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
