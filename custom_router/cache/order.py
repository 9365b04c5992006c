"""Who does what to whom: the same words in other places. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from custom_router.cache.lexicon import Lexicon
from custom_router.cache.reading import Reading, Token

_ARTICLES = frozenset({"a", "an", "the"})
_LINKS = frozenset({"of", "in", "for", "on", "at"}) | _ARTICLES
"""Between the parts of a compound turned round: "price of gold" is the "gold price"."""
_CLAUSES = frozenset({"if", "when", "while", "because", "since", "although", "though", ","})
"""Where a sentence may be cut and its two halves exchanged."""


def roles_exchanged(a: Reading, b: Reading, _: Lexicon) -> bool:
    """Whether two words have changed places behind one role word: from A to B, from B to A."""
    words_a, words_b = set(a.content), set(b.content)
    for role in {role for role, _ in a.governed}:
        mine = [keys for word, keys in a.governed if word == role]
        theirs = [keys for word, keys in b.governed if word == role]
        # From the end: "the way to convert miles to feet" has one "to" more than "convert miles to feet".
        for ours, others in zip(reversed(mine), reversed(theirs), strict=False):
            if (ours - others) & words_b and (others - ours) & words_a:
                return True
    return False


def reordered(a: Reading, b: Reading, lexicon: Lexicon) -> bool:
    """Whether common words stand in another order that may say something else."""
    mine, theirs = _Places.of(a), _Places.of(b)
    common = [key for key in mine.at if key in theirs.at]
    turned = [
        (x, y) for i, x in enumerate(common) for y in common[i + 1 :] if theirs.at[x] > theirs.at[y]
    ]  # fmt: skip
    if not turned or _clauses_exchanged(common, mine, theirs):
        return False
    whole = len(common) == len(mine.at) == len(theirs.at)
    return any(
        (whole or _around_another(x, y, common, mine, theirs)) and not _harmless(x, y, mine, theirs, lexicon)
        for x, y in turned
    )


@dataclass(frozen=True, slots=True)
class _Places:
    """Where each content word first stands."""

    reading: Reading
    at: dict[str, int]

    @classmethod
    def of(cls, reading: Reading) -> _Places:
        at: dict[str, int] = {}
        for index, token in enumerate(reading.tokens):
            if token.content:
                at.setdefault(token.key, index)
        return cls(reading, at)

    def between(self, x: str, y: str) -> tuple[Token, ...]:
        low, high = sorted((self.at[x], self.at[y]))
        return self.reading.tokens[low + 1 : high]


def _around_another(x: str, y: str, common: list[str], mine: _Places, theirs: _Places) -> bool:
    """Whether x and y change sides of a word that stays between them: x beats y, y beats x."""
    return any(
        mine.at[x] < mine.at[other] < mine.at[y] and theirs.at[y] < theirs.at[other] < theirs.at[x] for other in common
    )


def _clauses_exchanged(common: list[str], mine: _Places, theirs: _Places) -> bool:
    """Whether one text is the other with its two clauses in the other order: if P then Q, Q if P."""
    order = sorted(common, key=theirs.at.__getitem__)
    turn = order.index(common[0])
    if turn == 0 or order[turn:] + order[:turn] != common:
        return False
    cuts = (*mine.between(common[-turn - 1], common[-turn]), *theirs.between(order[turn - 1], order[turn]))
    return any(token.lower in _CLAUSES for token in cuts)


def _harmless(x: str, y: str, mine: _Places, theirs: _Places, lexicon: Lexicon) -> bool:
    """Whether the two are listed side by side, have a role word that keeps them apart, or make a compound."""
    words = [[token.lower for token in places.between(x, y)] for places in (mine, theirs)]
    if all(_coordinates(between, lexicon) for between in words):
        return True
    if any(_kept_role(key, other, mine.reading, theirs.reading) for key, other in ((x, y), (y, x))):
        return True
    near, far = sorted(words, key=len)
    return not near and set(far) <= _LINKS and not set(far) <= _ARTICLES


def _kept_role(key: str, other: str, a: Reading, b: Reading) -> bool:
    """Whether a word stands behind the same role word in both texts, and the other word not there too."""
    roles = [{role for role, keys in reading.governed if key in keys and other not in keys} for reading in (a, b)]
    return not roles[0].isdisjoint(roles[1])


def _coordinates(between: list[str], lexicon: Lexicon) -> bool:
    return any(word in lexicon.coordination for word in between) and all(
        (word in lexicon.coordination or word in lexicon.function) and word not in lexicon.roles for word in between
    )
