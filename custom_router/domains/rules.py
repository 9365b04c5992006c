"""Rules that people edit: terms, phrases and patterns that name a domain, minus exclusions."""

from __future__ import annotations

import time
from dataclasses import dataclass

from custom_router.domains.base import DomainMatch
from custom_router.domains.patterns import Patterns
from custom_router.domains.text import RuleText, normalise, spaced_once
from custom_router.domains.words import Span, WholeWords
from custom_router.policy.schema import Rules

# Stands where an exclusion was: neither a word character nor white space, so that nothing matches across it.
_REMOVED = "\0"


@dataclass(frozen=True, slots=True)
class DomainRules:
    """The compiled rules of one domain. Threads may share it."""

    name: str
    _words: WholeWords
    _labels: tuple[str, ...]
    _patterns: Patterns

    @classmethod
    def compile(cls, name: str, rules: Rules) -> DomainRules:
        """Prepare `rules` for matching. Raises `ValueError` for a pattern that does not compile."""
        labels = {_entry(phrase): f"phrase:{phrase}" for phrase in rules.phrases}
        labels |= {_entry(term): f"term:{term}" for term in rules.terms}
        exclusions = {_entry(each) for each in rules.exclusions}
        # An entry of invisible characters alone is nothing that could be sought.
        labels.pop("", None)
        exclusions.discard("")
        return cls(
            name=name,
            _words=WholeWords(list(labels), list(exclusions)),
            _labels=tuple(labels.values()),
            _patterns=Patterns(rules.patterns),
        )

    def match(self, text: str | RuleText, budget_s: float) -> DomainMatch | None:
        """The first word found, else the first pattern that matches, or None.

        Many domains share one `RuleText`. `budget_s` is the processor time that all searches together may take, in
        seconds: where others have the processor, the rules are not to blame. A search that runs out of it counts as a
        match with the rule `timeout`: uncertain traffic goes up.
        """
        end = time.thread_time() + budget_s
        if isinstance(text, str):
            text = RuleText.of(text)
        word, excluded = self._words.find(text.spaced)
        if word is not None:
            return DomainMatch(self.name, 1.0, self._labels[word])
        full = _without(text.full, text.in_full(excluded)) if excluded else text.full
        try:
            pattern = self._patterns.search(full, end)
        except TimeoutError:
            return DomainMatch(self.name, 1.0, "timeout")
        return None if pattern is None else DomainMatch(self.name, 1.0, f"pattern:{pattern + 1}")


def _entry(text: str) -> str:
    return spaced_once(normalise(text))


def _without(text: str, spans: list[Span]) -> str:
    """The text with each span, or several that overlap, made one `_REMOVED`."""
    kept: list[str] = []
    position = 0
    for start, end in sorted(spans):
        if start >= position:
            kept += [text[position:start], _REMOVED]
        position = max(position, end)
    return "".join([*kept, text[position:]])
