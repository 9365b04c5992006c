"""The language of a question, as far as the cache needs it. Pure."""

from __future__ import annotations

import unicodedata
from functools import cache
from importlib import resources

from custom_router.languages import likeliest

OTHER = "other"
"""A language without a file of words, or a text with signs that hide something: matched by the same text only."""
_READ = 4_000


@cache
def _known(language: str) -> bool:
    return (resources.files("custom_router.cache") / "words" / f"{language}.yaml").is_file()


def language_of(text: str) -> str:
    """The language whose function words are most, English where none are; `OTHER` where nothing is known of it.

    A text with invisible characters, or with a letter of any script but Latin, is `OTHER`: an encoder that drops or
    confuses such characters must not make two texts one.
    """
    read = text[:_READ]
    if not read.isascii() and not all(map(_plain, read)):
        return OTHER
    best = likeliest(read)
    return best if _known(best) else OTHER


@cache
def _plain(character: str) -> bool:
    if character.isascii() or character.isspace():
        return True
    category = unicodedata.category(character)
    if category[0] == "L":
        # Letters that NFKC turns into others, as full-width ones, only look like these.
        latin = unicodedata.name(character, "").startswith("LATIN")
        return latin and unicodedata.normalize("NFKC", character) == character
    return category in ("Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sc", "Sm", "So", "Mn")
