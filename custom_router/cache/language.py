"""The language of a question, as far as the cache needs it. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib import resources

import yaml

OTHER = "other"
"""A language without a file of words, or a text with signs that hide something: matched by the same text only."""
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_READ = 4_000


@cache
def _function_words() -> Mapping[str, frozenset[str]]:
    file = resources.files("custom_router.cache") / "words" / "languages.yaml"
    return {name: frozenset(words) for name, words in yaml.safe_load(file.read_text(encoding="utf-8")).items()}


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
    words = [word.casefold() for word in _WORD.findall(read)]
    best, most = "en", sum(word in _function_words()["en"] for word in words)
    for language, known in _function_words().items():
        count = sum(word in known for word in words)
        if count > most:
            best, most = language, count
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
