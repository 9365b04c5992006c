"""The language of a question, as far as the cache needs it."""

from __future__ import annotations


def language_of(text: str) -> str:
    """`en`, or `other` where no equivalence is known: such a question is answered by the same text only."""
    return "en" if text.isascii() else "other"
