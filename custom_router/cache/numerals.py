"""Numbers in a text, however they are written. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from custom_router.cache.lexicon import Lexicon

Number = tuple[str, str]
"""Kind (`cardinal`, `ordinal`) and value, as text that compares. 1,000 is 1000 and .5 is 0.5; what is written otherwise
is another number: Python 3.1 is not 3.10, and 1,5 is neither 15 nor 1.5."""

WRITTEN = r"(?:(?<![\w)\]])(?<![\d)\]]\s)[-–−])?(?:\d+(?:,\d+)*(?:\.\d+)*|(?<![\w.])\.\d+)"
"""A number in digits, as a regular expression: its sign too, unless the minus has an operand before it."""

_DIGITS = re.compile(r"[-–−]?[\d.][\d.,]*")
_GROUPED = re.compile(r"-?\d{1,3}(?:,\d{3})+(?:\.\d+)*")
_ROMAN = re.compile(r"(?=[IVX]{2,})X{0,3}(?:IX|IV|V?I{0,3})")
_ROMAN_VALUES = {"I": 1, "V": 5, "X": 10}
_ORDINAL_ENDS = frozenset({"st", "nd", "rd", "th"})


def number_at(words: Sequence[str], at: int, lexicon: Lexicon) -> tuple[Number, int] | None:
    """The number that begins at `words[at]` and how many words it takes; None where there is none."""
    word = words[at]
    if _DIGITS.fullmatch(word) and word[-1] not in ".,":
        value = _plain(word)
        if at + 1 < len(words) and words[at + 1].lower() in _ORDINAL_ENDS:
            return ("ordinal", value), 2
        return _scaled(value, words, at + 1, lexicon, 1)
    if _ROMAN.fullmatch(word):
        values = [_ROMAN_VALUES[letter] for letter in word]
        total = sum(-v if v < max(values[i:]) else v for i, v in enumerate(values))
        return ("cardinal", str(total)), 1
    return _spelled(words, at, lexicon)


def _plain(written: str) -> str:
    """As written, with one minus, without commas between thousands, with a digit before the point."""
    text = re.sub(r"^[–−]", "-", written)
    if _GROUPED.fullmatch(text):
        text = text.replace(",", "")
    return re.sub(r"^(-?)\.", r"\g<1>0.", text)


def _spelled(words: Sequence[str], at: int, lexicon: Lexicon) -> tuple[Number, int] | None:
    lower = word = words[at].lower()
    if lower in lexicon.ordinals and lower != "second":
        return ("ordinal", str(lexicon.ordinals[lower])), 1
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
    return _scaled(str(value), words, at + length, lexicon, length)


def _scaled(value: str, words: Sequence[str], at: int, lexicon: Lexicon, length: int) -> tuple[Number, int]:
    scale = 1
    while at < len(words) and words[at].lower() in lexicon.number_scales:
        scale *= lexicon.number_scales[words[at].lower()]
        at, length = at + 1, length + 1
    if scale == 1:
        return ("cardinal", value), length
    try:
        return ("cardinal", str(Fraction(value) * scale)), length
    except ValueError:  # 1,5 million: whatever it is, it is not 1,5 billion
        return ("cardinal", f"{value} x {scale}"), length
