"""Numbers in a text, however they are written. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from custom_router.cache.lexicon import Lexicon

Number = tuple[str, str]
"""Kind (`cardinal`, `ordinal`) and value, as text that compares: 1,000 is 1000 and 3.50 is 3.5."""

_DIGITS = re.compile(r"\d[\d,]*(?:\.\d+)?")
_ROMAN = re.compile(r"(?=[IVX]{2,})X{0,3}(?:IX|IV|V?I{0,3})")
_ROMAN_VALUES = {"I": 1, "V": 5, "X": 10}
_ORDINAL_ENDS = frozenset({"st", "nd", "rd", "th"})


def number_at(words: Sequence[str], at: int, lexicon: Lexicon) -> tuple[Number, int] | None:
    """The number that begins at `words[at]` and how many words it takes; None where there is none."""
    word = words[at]
    if _DIGITS.fullmatch(word):
        value = float(word.replace(",", ""))
        if at + 1 < len(words) and words[at + 1].lower() in _ORDINAL_ENDS:
            return ("ordinal", _text(value)), 2
        return _scaled(value, words, at + 1, lexicon, 1)
    if _ROMAN.fullmatch(word):
        values = [_ROMAN_VALUES[letter] for letter in word]
        total = sum(-v if v < max(values[i:]) else v for i, v in enumerate(values))
        return ("cardinal", _text(total)), 1
    return _spelled(words, at, lexicon)


def _spelled(words: Sequence[str], at: int, lexicon: Lexicon) -> tuple[Number, int] | None:
    lower = word = words[at].lower()
    if lower in lexicon.ordinals and lower != "second":
        return ("ordinal", _text(lexicon.ordinals[lower])), 1
    value = lexicon.number_words.get(word)
    # "one" is a pronoun more often than a number, unless something larger follows.
    following = words[at + 1].lower() if at + 1 < len(words) else ""
    if value is None or (value == 1 and following not in lexicon.number_scales):
        return None
    length = 1
    if value >= 20 and value % 10 == 0 and 1 <= lexicon.number_words.get(following, 0) <= 9:
        value, length = value + lexicon.number_words[following], 2
    elif value >= 20 and following == "-" and at + 2 < len(words):
        unit = lexicon.number_words.get(words[at + 2].lower(), 0)
        if 1 <= unit <= 9:
            value, length = value + unit, 3
    return _scaled(value, words, at + length, lexicon, length)


def _scaled(value: float, words: Sequence[str], at: int, lexicon: Lexicon, length: int) -> tuple[Number, int]:
    while at < len(words) and words[at].lower() in lexicon.number_scales:
        value *= lexicon.number_scales[words[at].lower()]
        at, length = at + 1, length + 1
    return ("cardinal", _text(value)), length


def _text(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
