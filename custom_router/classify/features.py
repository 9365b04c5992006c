"""Surface features: what a request looks like, without a model. Cheap, deterministic, and of order one each."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custom_router.classify.base import Vector
from custom_router.request import RequestView, head_and_tail
from custom_router.signals import Signal

_SCANNED = 800
_EDGES = ".,;:!?()[]\"'*"
_LONG_WORD = 8
_LAST_LATIN = 0x024F

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_OPTION = re.compile(r"^\s*\(?([A-J])[.:)]\s", re.MULTILINE)
_OPENERS = {
    "asks_fact": r"(?:who|when|where|which|what(?:'s| is| are| was| were)?)\b",
    "asks_reason": r"(?:why|how|explain|suppose|consider|given|let|assume|if)\b",
    "asks_rewording": r"(?:please\s+)?(?:(?:can|could) you\s+)?(?:translate|rewrite|rephrase|reword|paraphrase|"
    r"shorten|proofread|correct|fix the (?:grammar|spelling|typos)|summari[sz]e|extract|classify|"
    r"label|format|convert|list|sort|reply)\b",
    "asks_reasoning": r"(?:please\s+)?(?:prove|derive|design|architect|analy[sz]e|compare|evaluate|critique|debug|"
    r"determine|compute|calculate|find|solve|show that|estimate|optimi[sz]e|plan|draft|diagnose)\b",
    "asks_writing": r"(?:please\s+)?(?:write|create|compose|generate|give|suggest|make|come up|help|tell)\b",
    "greets": r"(?:hi|hello|hey|thanks|thank you|good (?:morning|evening|afternoon)|bye|ok(?:ay)?)\b",
}
_OPENER = {name: re.compile(r"\W*" + pattern, re.IGNORECASE) for name, pattern in _OPENERS.items()}
_REASONING_WORDS = frozenset([
    "prove", "proof", "derive", "rigorous", "rigorously", "justify", "tradeoff", "tradeoffs",
    "optimal", "constraint", "constraints", "complexity", "architecture", "concurrency", "concurrent", "distributed",
    "theorem", "lemma", "liability", "jurisdiction", "hypothesis", "diagnose",
])  # fmt: skip
_NEGATIONS = frozenset(["not", "except", "least", "incorrect", "false", "never", "neither"])


DIGIT, UPPER, LETTER, MARK, SPACE = range(5)
"""Kinds of character; a letter without upper case is `LETTER`."""


def _kind(c: str) -> int:
    if c.isalpha():
        return UPPER if c.isupper() else LETTER
    if c > "\x7f":
        return SPACE
    return DIGIT if c.isdigit() else SPACE if c.isspace() else MARK


_KINDS = np.array([_kind(chr(code)) for code in range(0x10000)], np.uint8)


def is_letter(kinds: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Which of `character_kinds` are letters."""
    return np.asarray((kinds == UPPER) | (kinds == LETTER))


def code_points(text: str) -> npt.NDArray[np.uint32]:
    """The code point of each character, (len(text),)."""
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), np.uint8).astype(np.uint32)
    return np.frombuffer(text.encode("utf-32-le", "replace"), np.uint32)


def character_kinds(codes: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint8]:
    """Kind of each code point, same shape. Beyond ASCII only letters count; beyond the basic plane nothing does."""
    return np.asarray(_KINDS[np.minimum(codes, 0xFFFF)])


NAMES: tuple[str, ...] = (
    "length", "words", "word_length", "long_words", "lines", "sentence_length",
    "digits", "numbers", "capitals", "punctuation", "non_latin",
    "ends_with_question", "ends_open", "has_blank", "negated", "reasoning_words",
    "options", "option_length",
    *_OPENERS,
    *(f"signal_{signal.value}" for signal in Signal),
    "turns", "tools", "system", "context",
)  # fmt: skip
"""What each position of `surface_features` holds."""


def surface_features(view: RequestView) -> Vector:
    """Float32 vector of shape (len(NAMES),): shares, flags and logarithms; finite for any view."""
    text = head_and_tail(view.text, _SCANNED)
    stripped = text.strip()
    words = stripped.split()
    plain = [word.strip(_EDGES) for word in stripped.lower().split()]
    shape = _char_shape(text)
    options = list(_OPTION.finditer(text)) if "\n" in text else []
    distinct = len({option[1] for option in options})
    listed = distinct if distinct > 1 else 0
    first_option = options[0] if listed else None
    stem = text[: first_option.start()].strip() if first_option else stripped
    sentences = max(1, stripped.count(".") + stripped.count("?") + stripped.count("!"))
    values = [
        math.log1p(len(view.text)) / 5.0,
        math.log1p(len(words)) / 4.0,
        min(len(stripped) / max(len(words), 1), 20.0) / 5.0,
        sum(map(_LONG_WORD.__lt__, map(len, words))) / max(len(words), 1),
        math.log1p(text.count("\n")) / 3.0,
        math.log1p(len(words) / sentences) / 3.0,
        shape.digits,
        math.log1p(len(_NUMBER.findall(text)) if shape.digits else 0) / 3.0,
        shape.capitals,
        shape.punctuation,
        shape.non_latin,
        float(stem.endswith("?")),
        float(bool(stem) and stem[-1].isalnum()),
        float("___" in text),
        float(not _NEGATIONS.isdisjoint(plain)),
        math.log1p(sum(map(_REASONING_WORDS.__contains__, plain)) + ("step by step" in text)),
        listed / 10.0,
        math.log1p((len(text) - first_option.start()) / listed) / 5.0 if first_option else 0.0,
        *(float(bool(pattern.match(stripped))) for pattern in _OPENER.values()),
        *(float(signal in view.signals) for signal in Signal),
        math.log1p(view.turns) / 3.0,
        math.log1p(view.tools) / 3.0,
        float(bool(view.system)),
        math.log1p(view.input_tokens) / 10.0,
    ]
    return np.asarray(values, np.float32)


@dataclass(frozen=True, slots=True)
class _CharShape:
    digits: float
    punctuation: float
    capitals: float
    non_latin: float


def _char_shape(text: str) -> _CharShape:
    codes = code_points(text)
    kinds = character_kinds(codes)
    digits, upper, lower, marks = np.bincount(kinds, minlength=5)[:4].tolist()
    letters = max(upper + lower, 1)
    length = max(len(text), 1)
    return _CharShape(
        digits=digits / length,
        punctuation=marks / length,
        capitals=upper / letters,
        non_latin=int((is_letter(kinds) & (codes > _LAST_LATIN)).sum()) / letters if not text.isascii() else 0.0,
    )


def non_latin_share(text: str) -> float:
    """Share of letters outside the Latin script (0..1); 0 for a text without letters."""
    return _char_shape(head_and_tail(text, _SCANNED)).non_latin
