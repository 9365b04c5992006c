"""The value an answer comes to: the option it chooses or the number it ends in."""

from __future__ import annotations

import re
from collections.abc import Mapping

_OPTION = re.compile(r"^[ \t]*[(\[]?([A-J])[)\].:][ \t]+(\S.*)$", re.MULTILINE)
_LONE_LETTER = re.compile(r"\W{0,8}([A-J])(?:[)\]*]|[.:,](?=\s|$)|\s*$)")
_STATED_LETTER = re.compile(
    r"(?:(?i:answer|option|choice)(?i: is|:| would be)?|\\boxed\{(?:\\text\{)?)"
    r"[\s:*]{0,6}(?i:option )?[(\[*]{0,3}([A-J])(?![A-Za-z'’])(?!(?<=I)\s+[a-z])"
)
_MARK = re.compile(r"####|\\boxed\{|\banswer(?: is|:)", re.IGNORECASE)
_FRACTION = re.compile(r"\\d?frac\{(-?\d+)\}\{(-?\d+)\}")
_NUMBER = re.compile(
    r"(?<![\w.])(?P<sign>[-−])?[$€£¥]?\s?(?P<whole>\d{1,3}(?:,\d{3})+|\d+)(?P<decimals>\.\d+)?"
    r"(?:\s?/\s?(?P<below>\d+(?:\.\d+)?))?(?:\s?(?P<scale>thousand|million|billion|trillion)\b)?",
    re.IGNORECASE,
)
_SCALES = {"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
_SPELLED = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
)
_WORDS = {word: float(value) for value, word in enumerate(_SPELLED.split())}
_WORD = re.compile(rf"\b(?:{'|'.join(_WORDS)})\b", re.IGNORECASE)
_TAIL = 4_000


def listed_options(prompt: str) -> dict[str, str]:
    """Letter → text of the options that a prompt ends in, from A and none left out; empty for fewer than two."""
    options: dict[str, str] = {}
    for letter, text in _OPTION.findall(prompt[-2 * _TAIL :]):
        if letter == "A":
            options = {}
        if letter == "ABCDEFGHIJ"[len(options)]:
            options[letter] = text.strip()
            if len(options) == 10:
                break
    return options if len(options) >= 2 else {}


def chosen_option(answer: str, options: Mapping[str, str]) -> str | None:
    """The letter that an answer chooses: the one stated last, else opened with, else whose text it is."""
    stated = _STATED_LETTER.findall(answer[-_TAIL:])
    if stated and stated[-1] in options:
        return str(stated[-1])
    opening = _LONE_LETTER.match(answer)
    if opening and opening.group(1) in options:
        return opening.group(1)
    said = answer.strip(" \t\r\n.").casefold()
    meant = [letter for letter, text in options.items() if text.strip(" .").casefold() == said]
    return meant[0] if len(meant) == 1 else None


def is_marked(answer: str) -> bool:
    """Whether an answer marks its final value: "####", "\\boxed{", "answer is"."""
    return _MARK.search(answer[-_TAIL:]) is not None


def final_number(answer: str) -> float | None:
    """The number an answer comes to: the first after its last mark, else its last, else its last spelled out.

    Thousands separators, currencies and units are dropped ("$1,000.00" is 1000), fractions and
    "1.5 million" worked out.
    """
    tail = _FRACTION.sub(r"\1/\2", answer[-_TAIL:]).replace("**", " ").replace("\\$", "$").replace("\\%", "%")
    marks = list(_MARK.finditer(tail))
    found = _NUMBER.search(tail, marks[-1].end()) if marks else None
    if found is None:
        found = next(reversed(list(_NUMBER.finditer(tail))), None)
    if found is not None:
        return _value(found)
    words = _WORD.findall(tail)
    return _WORDS[words[-1].lower()] if words else None


def same_number(a: float, b: float) -> bool:
    """Equal but for rounding: 33.33 is 33.3333, while 33 is not."""
    if a == b:
        return True
    decimals = min(_decimals(a), _decimals(b))
    return decimals >= 2 and round(a, decimals) == round(b, decimals)


def _decimals(value: float) -> int:
    return len(repr(value).partition(".")[2]) if "e" not in repr(value) else 0


def _value(found: re.Match[str]) -> float:
    value = float(found["whole"].replace(",", "")[:300] + (found["decimals"] or ""))
    if found["below"] and float(found["below"]):
        value /= float(found["below"])
    if found["scale"]:
        value *= _SCALES[found["scale"].lower()]
    return -value if found["sign"] else value
