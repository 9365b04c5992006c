"""The `agreement` signal: whether two models' answers to one request say the same, from 0 (no) to 1 (yes).

Rules decide where an answer has a value (an option, a number, yes or no, a short phrase); only free text is left to
the similarity of vectors, and a contradiction is never outvoted by it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

from custom_router.confidence.final_value import chosen_option, final_number, is_marked, listed_options, same_number
from custom_router.request import head_and_tail

_READ = 8_000
"""Characters of each answer, head and tail, that are compared."""
_LEAST_COSINE, _COSINE_RANGE = 0.4, 0.5
"""MiniLM's cosine of unrelated and of equivalent short answers, as `clip((cosine - 0.4) / 0.5)`: the recipe measured
over five cascades (DESIGN §7)."""
_SHORT_WORDS = 6
"""An answer of at most this many words is looked for inside the other."""
_COMPARED_WORDS = 60
"""Beyond this length a "not" or a number may stand anywhere, and says nothing about the answer as a whole."""

_ASKS_FOR_NUMBER = re.compile(
    r"\bhow (?:many|much|old|long|far|tall|high|big|fast|often|heavy|deep)\b"
    r"|\bwhat (?:is|was|are|were) the (?:\w+ )?(?:number|total|sum|average|mean|median|product|percentage|probability"
    r"|price|cost|value|area|volume|age|distance|speed|year)\b"
    r"|\b(?:what|which) year\b|\bcalculate\b|\bcompute\b",
    re.IGNORECASE,
)
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_NO_WORD = re.compile(r"[^\w\s]")
_NEGATED = re.compile(
    r"\b(?:not?|never|none|nothing|nobody|nowhere|neither|nor|without|cannot|\w+n't|false|incorrect|untrue)\b",
    re.IGNORECASE,
)
_POLARITY = re.compile(
    r"\W*(?:(?P<yes>yes|yeah|true|correct)|(?P<no>no|nope|false|incorrect))\b(?! one\b)", re.IGNORECASE
)
_NUMBERS = re.compile(r"\d+(?:[.,]\d+)*")


def agreement(prompt: str, a: str, b: str, similarity: Callable[[str, str], float] | None = None) -> float:
    """How far answers `a` and `b` to `prompt` agree, 0..1; symmetric, 0 where either is blank.

    In this order: the same option where the prompt lists any; else the same final number where one was asked for or
    both mark one; opposite yes and no, numbers or negation (0); the same normalised text; a short answer contained in
    the other; else `similarity`, called with the answers as given, or without one the F1 of their words.
    """
    given = a, b
    a, b = head_and_tail(a.strip(), _READ), head_and_tail(b.strip(), _READ)
    if not a or not b:
        return 0.0
    if options := listed_options(prompt):
        chosen = chosen_option(a, options), chosen_option(b, options)
        if None not in chosen:
            return float(chosen[0] == chosen[1])
    elif (is_marked(a) and is_marked(b)) or _ASKS_FOR_NUMBER.search(prompt[-1_000:]):
        numbers = final_number(a), final_number(b)
        if numbers[0] is not None and numbers[1] is not None:
            return float(same_number(numbers[0], numbers[1]))
    left, right = normalised(a), normalised(b)
    if left == right:
        return 1.0
    if _contradict(a, b):
        return 0.0
    short, long = sorted((left.split(), right.split()), key=len)
    if similarity is not None:
        alike = min(1.0, max(0.0, (similarity(*given) - _LEAST_COSINE) / _COSINE_RANGE))
    else:
        alike = 2 * (Counter(short) & Counter(long)).total() / (len(short) + len(long))
    # Contained: a fuller wording of the same, or one of several things named.
    return (1.0 + alike) / 2 if _contained(short, long) else alike


def normalised(text: str) -> str:
    """Lower case without articles, punctuation and extra space, as SQuAD's exact match has it."""
    plain = " ".join(_NO_WORD.sub(" ", _ARTICLES.sub(" ", text.lower().strip())).split())
    return plain or text.lower().strip()


def _contained(short: list[str], long: list[str]) -> bool:
    if len(short) > _SHORT_WORDS or not any(len(word) > 2 or word.isdigit() for word in short):
        return False
    return f" {' '.join(short)} " in f" {' '.join(long)} "


def _contradict(a: str, b: str) -> bool:
    """Opposite yes and no; in short texts also numbers of which neither side's are among the other's, or a "not" on one
    side only where the other words are mostly the same."""
    said, also = _POLARITY.match(a), _POLARITY.match(b)
    if said and also and said.lastgroup != also.lastgroup:
        return True
    words_a, words_b = a.split(), b.split()
    if max(len(words_a), len(words_b)) > _COMPARED_WORDS:
        return False
    numbers_a, numbers_b = _number_set(a), _number_set(b)
    if numbers_a and numbers_b and not (numbers_a <= numbers_b or numbers_b <= numbers_a):
        return True
    a, b = a.replace("’", "'"), b.replace("’", "'")
    if bool(_NEGATED.search(a)) == bool(_NEGATED.search(b)):
        return False
    rest_a, rest_b = (set(normalised(_NEGATED.sub(" ", text)).split()) for text in (a, b))
    return 2 * len(rest_a & rest_b) >= len(rest_a | rest_b)


def _number_set(text: str) -> set[str]:
    return {found.replace(",", "") for found in _NUMBERS.findall(text)}
