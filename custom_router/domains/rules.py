"""Rules that people edit: terms, phrases and patterns that name a domain, minus exclusions."""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

import regex

from custom_router.domains.base import DomainMatch
from custom_router.domains.trie import alternation
from custom_router.policy.schema import Rules

# Scripts that put no spaces between words have no word boundary to ask for, and a Latin term between Chinese
# letters stands alone: Thai to Tibetan, Myanmar, Khmer, kana, Han.
_UNSPACED = r"\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff"
# Vowel signs and accents belong to the word, but `\w` leaves them out.
_MARKS = r"\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0dff"
_IN_WORD = (rf"[^\W{_UNSPACED}]", rf"[{_MARKS}]")
_WORD_CHARACTER = re.compile("|".join(_IN_WORD))
_BEFORE = "".join(rf"(?<!{each})" for each in _IN_WORD)
_AFTER = "".join(rf"(?!{each})" for each in _IN_WORD)
_INVISIBLE = "\u00ad\u200b\u2060\ufeff"
# Stands where an exclusion was: neither a word character nor white space, so that nothing matches across it.
_REMOVED = "\0"


def compile_pattern(text: str) -> regex.Pattern[str]:
    """Compile one regular expression of the `regex` package, ignoring case.

    Raises `ValueError` naming the expression, the position of the fault and the mend.
    """
    try:
        return regex.compile(text, regex.IGNORECASE)
    except regex.error as error:
        raise ValueError(
            f"{text!r} is not a regular expression: {error}. "
            "Correct it, put a backslash before a character meant literally, or list the words under `terms`"
        ) from error
    except (RecursionError, OverflowError, MemoryError) as error:
        raise ValueError(f"a regular expression of {len(text)} characters is too deeply nested: split it") from error


def normalise(text: str) -> str:
    """The form in which rules and text meet: NFKC, casefolded, plain apostrophes and hyphens, no soft hyphens."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
        for character in _INVISIBLE:
            text = text.replace(character, "")
        text = text.replace("’", "'").replace("‐", "-").replace("–", "-")
    return text.casefold()


@dataclass(frozen=True, slots=True)
class DomainRules:
    """The compiled rules of one domain. Threads may share it."""

    name: str
    _words: tuple[re.Pattern[str], ...]
    _labels: dict[str, str]
    _patterns: tuple[regex.Pattern[str], ...]
    _exclusions: tuple[re.Pattern[str], ...]

    @classmethod
    def compile(cls, name: str, rules: Rules) -> DomainRules:
        """Prepare `rules` for matching. Raises `ValueError` for a pattern that does not compile."""
        labels = {_spaced_once(normalise(phrase)): f"phrase:{phrase}" for phrase in rules.phrases}
        labels |= {_spaced_once(normalise(term)): f"term:{term}" for term in rules.terms}
        return cls(
            name=name,
            _words=_whole_words(labels),
            _labels=labels,
            _patterns=tuple(compile_pattern(pattern) for pattern in rules.patterns),
            _exclusions=_whole_words(_spaced_once(normalise(each)) for each in rules.exclusions),
        )

    def match(self, text: str, deadline_s: float) -> DomainMatch | None:
        """The first rule that matches, or None. Patterns see the normalised (casefolded) text.

        `deadline_s` is the time all searches together may take, in seconds. A search that runs out of time
        counts as a match with the rule `timeout`: uncertain traffic goes up.
        """
        end = time.monotonic() + deadline_s
        text = normalise(text)
        for expression in self._exclusions:
            text = expression.sub(_REMOVED, text)
        for expression in self._words:
            if found := expression.search(text):
                return DomainMatch(self.name, 1.0, self._labels[_spaced_once(found.group())])
        for number, pattern in enumerate(self._patterns, start=1):
            left = end - time.monotonic()
            try:
                matched = left <= 0 or pattern.search(text, timeout=left)
            except TimeoutError:
                left, matched = 0.0, True
            if matched:
                return DomainMatch(self.name, 1.0, f"pattern:{number}" if left > 0 else "timeout")
        return None


def _spaced_once(text: str) -> str:
    return " ".join(text.split())


def _whole_words(entries: Iterable[str]) -> tuple[re.Pattern[str], ...]:
    """One expression for each kind of word boundary that the entries need: at most four, usually one or two.

    Joined into one they are several times slower, as no position can then be passed over at a glance.
    """
    groups: dict[tuple[str, str], list[str]] = {}
    for entry in entries:
        first, last = (_WORD_CHARACTER.match(entry[end]) is not None for end in (0, -1))
        groups.setdefault((_BEFORE if first else "", _AFTER if last else ""), []).append(entry)
    return tuple(re.compile(f"{before}(?:{alternation(group)}){after}") for (before, after), group in groups.items())
