import time

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from custom_router.domains.openings import openings
from custom_router.domains.patterns import Patterns
from custom_router.domains.text import normalise


@pytest.mark.parametrize(
    ("pattern", "heads"),
    [
        (r"\b(?:buy|invest(?:ing)? in)\s+(?:\w+\s+){0,2}shares\b", {"buy", "invest in", "investing in"}),
        (r"\blicen[cs]e\w*", {"license", "licence"}),
        (r"\bsue[ds]?\b|PRE-?TAX", {"sue", "pretax", "pre-tax"}),
        (r"(?<!no )tax", {"tax"}),
        (r"(?x) tax \s return  # comment", {"tax"}),
        (r"(?:ab)+c", {"ab"}),
        (r"(?i:Tax)(?>es|ing)", {"taxes", "taxing"}),
    ],
)
def test_openings_are_what_matches_begin_with(pattern: str, heads: set[str]) -> None:
    assert openings(pattern) == heads


@pytest.mark.parametrize(
    "pattern",
    [
        r"\d+ usc",
        r"(?:tax)?\w+",
        r"",
        r"a|",
        r"[^a]b",
        r"ß",
        r"(?:loan){e<=1}",
        r"\p{Greek}+",
        r"\Xtax",
        r"(?V1)tax",
        "(",
    ],
)
def test_no_openings_where_there_is_no_telling(pattern: str) -> None:
    assert openings(pattern) == frozenset()


SYNTAX = r"""
a ab b tax i ß é \b \w \s+ \d . ^ $ (?: (?i: (?> ( ) | ? * + ++ {0,2} {2} {e<=1} [ab] [^a] [[:alpha:]] \1
(?=b) (?<=a) (?!b) (?<!a) (?(1)a|b) (?x) #
"""
PIECES = st.sampled_from(SYNTAX.split())
TEXTS = st.text(st.sampled_from("abtxi \nAISßéıİK1"), max_size=40)


@given(st.lists(PIECES, min_size=1, max_size=8).map("".join), TEXTS, st.integers(0, 30))
def test_openings_change_no_answer(pattern: str, text: str, padding: int) -> None:
    try:
        compiled = regex.compile(pattern, regex.IGNORECASE)
    except regex.error:
        return
    # Long enough that the expression is tried at the places found, not sought everywhere.
    text = normalise(" " * padding * 300 + text + " " * padding * 300)
    expected = 0 if compiled.search(text) else None
    assert Patterns([compiled]).search(text, time.monotonic() + 30.0) == expected


def test_the_first_pattern_in_order_is_named() -> None:
    patterns = Patterns([regex.compile(each, regex.IGNORECASE) for each in (r"c\d", r"\d+b", r"ab\b")])
    end = time.monotonic() + 30.0
    assert patterns.search("ab c1" + " " * 1_000, end) == 0
    assert patterns.search("ab 1b" + " " * 1_000, end) == 1
    assert patterns.search("ab abc" + " " * 1_000, end) == 2
    assert patterns.search("abc" + " " * 1_000, end) is None
