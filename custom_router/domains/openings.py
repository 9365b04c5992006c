"""What a regular expression's matches begin with, so that it need be tried only where that occurs.

The technique is RE2's prefilter (`re2/prefilter.h`), confined to beginnings: found by one automaton for all
expressions, they say exactly where a match may start, and the expression itself then decides.
"""

from __future__ import annotations

import re
import re._constants as code  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
from collections.abc import Iterable
from typing import Any

_MOST = 256
"""Beginnings of one expression: beyond, what follows is left out of them."""
# What the `regex` package and the standard parser both accept and read differently, now or some day: `{e<=1}`,
# `[[:alpha:]]` and sets within sets.
_READ_DIFFERENTLY = re.compile(r"\{(?!\d*,?\d*\})|\[\[|\[:|--|&&|~~|\|\|")


def openings(pattern: str) -> frozenset[str]:
    """Casefolded texts with one of which every match of `pattern` begins; empty when there is no telling.

    `pattern` is for the `regex` package with case ignored, on casefolded NFKC text without a dotless i, which
    `regex` alone holds equal to i. An expression that only `regex` understands has no openings.
    """
    if _READ_DIFFERENTLY.search(pattern):
        return frozenset()
    try:
        heads, _ = _sequence(parser.parse(pattern, re.IGNORECASE))
    except (re.error, RecursionError, OverflowError):
        return frozenset()
    if "" in heads:
        return frozenset()
    return frozenset(head for head in heads if not any(head[:end] in heads for end in range(1, len(head))))


Heads = tuple[set[str], bool]
"""Beginnings, and whether each is the whole of a match, so that what follows can be appended."""


def _sequence(nodes: Iterable[tuple[Any, Any]]) -> Heads:
    heads = {""}
    for kind, argument in nodes:
        if kind in (code.AT, code.ASSERT, code.ASSERT_NOT):
            continue  # they take no room, and the expression itself is still to be tried
        following, whole = _node(kind, argument)
        if len(heads) * len(following) > _MOST:
            return heads, False
        heads = {head + each for head in heads for each in following}
        if not whole:
            return heads, False
    return heads, True


def _node(kind: Any, argument: Any) -> Heads:
    if kind is code.LITERAL:
        return _characters([argument])
    if kind is code.IN and all(item is code.LITERAL for item, _ in argument):
        return _characters([each for _, each in argument])
    if kind is code.SUBPATTERN:
        return _sequence(argument[-1])
    if kind is code.ATOMIC_GROUP:
        return _sequence(argument)
    if kind is code.BRANCH:
        branches = [_sequence(each) for each in argument[1]]
        return set().union(*(heads for heads, _ in branches)), all(whole for _, whole in branches)
    if kind in (code.MAX_REPEAT, code.MIN_REPEAT, code.POSSESSIVE_REPEAT):
        least, most, repeated = argument
        heads, whole = _sequence(repeated)
        return heads | ({""} if least == 0 else set()), whole and most == 1
    return {""}, False


def _characters(codes: list[int]) -> Heads:
    folded = {chr(each).casefold() for each in codes}
    # One that folds to several is not what `regex` finds in casefolded text.
    return (folded, True) if all(len(each) == 1 for each in folded) else ({""}, False)
