"""Why one answer cannot serve two questions, however similar they look. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from enum import StrEnum

from custom_router.cache.lexicon import Lexicon
from custom_router.cache.order import reordered, roles_exchanged
from custom_router.cache.reading import Reading


class Guard(StrEnum):
    """Why a near question's answer was not given: the `guard` of a record whose cache status is `miss`."""

    NUMBER = "number"
    UNIT = "unit"
    SYMBOL = "symbol"
    QUOTE = "quote"
    CODE = "code"
    ENTITY = "entity"
    ANTONYM = "antonym"
    NEGATION = "negation"
    DIRECTION = "direction"
    ORDER = "order"
    QUESTION = "question"
    CLAIM = "claim"
    ADDED = "added"
    ASKS_MORE = "asks_more"
    TENSE = "tense"
    ALTERNATIVE = "alternative"
    LANGUAGE = "language"
    SAME_TEXT_ONLY = "same_text_only"
    SIMILARITY = "similarity"


MEANING: dict[Guard, str] = {
    Guard.NUMBER: "a number is missing on one side, differs, or counts something else",
    Guard.UNIT: "a unit or a currency is missing on one side or differs",
    Guard.SYMBOL: "a sign or an operator is missing on one side or differs",
    Guard.QUOTE: "one quotes what the other does not say",
    Guard.CODE: "code, a file or an address is missing on one side or differs",
    Guard.ENTITY: "a name, a place, a date or the like is missing on one side or differs",
    Guard.ANTONYM: "one says the opposite of the other's word",
    Guard.NEGATION: "one negates what the other does not",
    Guard.DIRECTION: "two things have changed places around a word such as from, to or than",
    Guard.ORDER: "the same words in another order, as in who does what to whom",
    Guard.QUESTION: "another kind of question: how, what, why, who, when, where, whether",
    Guard.CLAIM: "a question answered by yes or no has a word that the other does not have",
    Guard.ADDED: "one has three words or more beyond what the other has",
    Guard.ASKS_MORE: "the question asked has a further question that the stored one does not have",
    Guard.TENSE: "one asks about the past or the future, the other does not",
    Guard.ALTERNATIVE: "each names one of several things that exclude each other",
    Guard.LANGUAGE: "nothing is known of this language's words, or of signs in the text",
    Guard.SAME_TEXT_ONLY: "longer than the encoder reads, or the policy matches no meaning",
    Guard.SIMILARITY: "not similar enough for the policy's max_error",
}


def _number(a: Reading, b: Reading, _: Lexicon) -> bool:
    if a.numbers != b.numbers:
        return True
    if len(a.numbers) < 2 and len(a.numbered) < 2:
        return False
    # 5 apples and 3 pears against 3 apples and 5 pears keeps the sequence, 5 pears and 3 apples does not.
    return any(
        number == other and noun != noun_b and noun_b in a.content and noun in b.content
        for (number, noun), (other, noun_b) in zip(a.numbered, b.numbered, strict=False)
    )


_UNITS = ("unit", "currency")


def _unit(a: Reading, b: Reading, _: Lexicon) -> bool:
    return any(name in _UNITS for name, _ in a.entities ^ b.entities)


def _symbol(a: Reading, b: Reading, _: Lexicon) -> bool:
    return a.symbols != b.symbols


def _quote(a: Reading, b: Reading, _: Lexicon) -> bool:
    return any(
        quote not in theirs.quotes and f" {quote} " not in theirs.plain
        for mine, theirs in ((a, b), (b, a))
        for quote in mine.quotes
    )


def _code(a: Reading, b: Reading, _: Lexicon) -> bool:
    return a.code != b.code


def _entity(a: Reading, b: Reading, _: Lexicon) -> bool:
    return a.entities != b.entities or not a.names <= b.words or not b.names <= a.words


def _antonym(a: Reading, b: Reading, lexicon: Lexicon) -> bool:
    only_a, only_b = a.words - b.words, b.words - a.words
    if any(not only_b.isdisjoint(lexicon.opposites.get(word, ())) for word in only_a):
        return True
    return any(_turned(x, y, lexicon) or _turned(y, x, lexicon) for x in only_a for y in only_b)


def _turned(word: str, other: str, lexicon: Lexicon) -> bool:
    """Whether `other` is `word` with a negating affix."""
    if len(word) > 2 and other.endswith(word) and other[: -len(word)] in lexicon.prefixes:
        return True
    return any(
        suffix and word.endswith(suffix) and other == word[: len(word) - len(suffix)] + opposite and len(word) > 5
        for suffix, opposite in lexicon.suffixes
    )


def _negation(a: Reading, b: Reading, _: Lexicon) -> bool:
    if (a.negations > 0) != (b.negations > 0):
        return True
    only_a, only_b = a.negated - b.negated, b.negated - a.negated
    return bool(only_a & set(b.content)) or bool(only_b & set(a.content))


def _question(a: Reading, b: Reading, _: Lexicon) -> bool:
    if a.question is None or b.question is None:
        return False
    return a.question != b.question or a.modal != b.modal


def _claim(a: Reading, b: Reading, _: Lexicon) -> bool:
    return a.question == b.question == "yes_no" and unmatched(a, b) != (0, 0)


_MOST_ADDED = 2
"""Words that one text has more than the other, without a counterpart, above which it asks for more: an instruction, a
condition."""


def _added(a: Reading, b: Reading, _: Lexicon) -> bool:
    mine, theirs = unmatched(a, b)
    return abs(mine - theirs) > _MOST_ADDED


def _tense(a: Reading, b: Reading, _: Lexicon) -> bool:
    return (
        None not in (a.tense, b.tense)
        and a.tense != b.tense
        and not {a.question, b.question}.isdisjoint({"person", "yes_no", "time", "place"})
    )


def _alternative(a: Reading, b: Reading, _: Lexicon) -> bool:
    only_a = {name for name, _ in a.alternatives - b.alternatives}
    only_b = {name for name, _ in b.alternatives - a.alternatives}
    return bool(only_a & only_b)


_RULES: tuple[tuple[Guard, Callable[[Reading, Reading, Lexicon], bool]], ...] = (
    (Guard.NUMBER, _number),
    (Guard.UNIT, _unit),
    (Guard.SYMBOL, _symbol),
    (Guard.QUOTE, _quote),
    (Guard.CODE, _code),
    (Guard.NEGATION, _negation),
    (Guard.ANTONYM, _antonym),
    (Guard.ENTITY, _entity),
    (Guard.DIRECTION, roles_exchanged),
    (Guard.ORDER, reordered),
    (Guard.QUESTION, _question),
    (Guard.CLAIM, _claim),
    (Guard.ADDED, _added),
    (Guard.TENSE, _tense),
    (Guard.ALTERNATIVE, _alternative),
)


def first_guard(a: Reading, b: Reading, lexicon: Lexicon) -> Guard | None:
    """The first rule that refuses; None where none does."""
    return next((guard for guard, refuses in _RULES if refuses(a, b, lexicon)), None)


def asks_more(stored: Reading, asked: Reading) -> bool:
    """Whether a question asks further questions: its answer may be in a shorter one's, never the other way round."""
    return len(asked.questions) > max(1, len(stored.questions))


def unmatched(a: Reading, b: Reading) -> tuple[int, int]:
    """How many content words of each have no counterpart in the other."""
    mine, theirs = Counter(a.content), Counter(b.content)
    return (mine - theirs).total(), (theirs - mine).total()
