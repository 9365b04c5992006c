"""Which language in Latin script a text is in, by its function words. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources

import yaml

ENGLISH = "en"
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_READ = 400
_FEW_WORDS = 5


@cache
def _function_words() -> Mapping[str, frozenset[str]]:
    file = resources.files("custom_router") / "languages.yaml"
    return {name: frozenset(words) for name, words in yaml.safe_load(file.read_text(encoding="utf-8")).items()}


def likeliest(text: str) -> str:
    """The language whose function words are most, English where none are more."""
    return _counted(_WORD.findall(text.casefold()))[0]


def foreign(text: str) -> bool:
    """Whether the beginning of a text is plainly in another language in Latin script than English."""
    words = [word for word in _WORD.findall(text[:_READ].casefold()) if len(word) > 1]  # a letter is a variable too
    language, most, english = _counted(words)
    return language != ENGLISH and (most - english > 1 or (english == 0 and len(words) >= _FEW_WORDS))


def _counted(words: list[str]) -> tuple[str, int, int]:
    """The language, its function words among these and English's."""
    known = _function_words()
    english = sum(word in known[ENGLISH] for word in words)
    best, most = ENGLISH, english
    for language, its in known.items():
        count = sum(word in its for word in words)
        if count > most:
            best, most = language, count
    return best, most, english
