"""What is known of one language's words, read from `words/*.yaml`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

Phrases = Mapping[str, Sequence[tuple[tuple[str, ...], str]]]
"""By first word: the whole phrase, and what it stands for; longer phrases first."""


@dataclass(frozen=True, slots=True, eq=False)
class Lexicon:
    """One language's words. Content words are in the form that `lemma` gives."""

    function: frozenset[str]
    whole: frozenset[str]
    """Words that end like an inflection and are none."""
    cased: frozenset[str]
    """Words that are something else in another case: Mb is not MB."""
    irregular: Mapping[str, str]
    acronyms: Mapping[str, str]
    """What a word stands for where it is written in capitals."""
    same: Phrases
    negation: frozenset[str]
    not_negation: Phrases
    opposites: Mapping[str, frozenset[str]]
    prefixes: tuple[str, ...]
    suffixes: tuple[tuple[str, str], ...]
    entities: Mapping[str, tuple[tuple[str, str], ...]]
    """By word: the lists it is in, and which member it is there."""
    alternatives: Mapping[str, tuple[tuple[str, str], ...]]
    number_words: Mapping[str, int]
    number_scales: Mapping[str, int]
    ordinals: Mapping[str, int]
    roles: Mapping[str, str]
    coordination: frozenset[str]
    questions: Phrases
    same_questions: Mapping[str, str]
    yes_no: Mapping[str, str]
    tenses: Mapping[str, str]
    courtesies: Phrases

    @classmethod
    @cache
    def shipped(cls, language: str) -> Lexicon | None:
        """The language's words; None for a language that has no file."""
        file = resources.files("custom_router.cache") / "words" / f"{language}.yaml"
        return cls.read(file.read_text(encoding="utf-8")) if file.is_file() else None

    @classmethod
    def read(cls, text: str) -> Lexicon:
        """Read a language's YAML. Raises KeyError for a missing list."""
        fields: dict[str, Any] = yaml.safe_load(text)
        irregular: dict[str, str] = fields["irregular"]

        lists = [*fields["entities"].values(), *fields["alternatives"].values()]
        listed = {word for members in lists for member in members for word in _words(member)}
        # "https" is no plural of "http".
        whole = frozenset(word for word in listed if word.endswith("s"))

        def form(word: str) -> str:
            return word if word in whole else lemma(word, irregular)

        return cls(
            function=frozenset(fields["function"]),
            whole=whole,
            cased=frozenset(word for word in listed if word != word.lower()),
            irregular=irregular,
            acronyms=fields["acronyms"],
            same=_phrases({word: group[0] for group in fields["same"] for word in group[1:]}),
            negation=frozenset(fields["negation"]),
            not_negation=_phrases(dict.fromkeys(fields["not_negation"], "")),
            opposites=_opposites(fields["antonyms"], form),
            prefixes=tuple(fields["negating_prefixes"]),
            suffixes=tuple((str(a), str(b)) for a, b in fields["negating_suffixes"]),
            entities=_members(fields["entities"], form),
            alternatives=_members(fields["alternatives"], form),
            number_words=fields["number_words"],
            number_scales=fields["number_scales"],
            ordinals=fields["ordinal_words"],
            roles={word: fields["same_roles"].get(word, word) for word in fields["role_words"]},
            coordination=frozenset(fields["coordination"]),
            questions=_phrases({form: kind for kind, forms in fields["questions"].items() for form in forms}),
            same_questions={kind: group[0] for group in fields["same_questions"] for kind in group},
            yes_no={word: group[0] for group in fields["yes_no"] for word in group},
            tenses={word: tense for tense, words in fields["tenses"].items() for word in words},
            courtesies=_phrases(dict.fromkeys(fields["courtesies"], "")),
        )

    def key(self, word: str) -> str:
        """What a word is compared by."""
        return word if word in self.whole else lemma(word, self.irregular)


def lemma(word: str, irregular: Mapping[str, str]) -> str:
    """One form for a word's inflections: a key, not always a word. Only inflection: "organ" is not "organize"."""
    if word in irregular:
        return _bare(irregular[word])
    if len(word) > 3:
        if word.endswith("ies") and len(word) > 4:
            word = word[:-3] + "y"
        elif word.endswith(("sses", "xes", "zes", "ches", "shes")):
            word = word[:-2]
        elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
            word = word[:-1]
        elif word.endswith("ing") and len(word) > 5 and _voiced(word[:-3]):
            word = _single(word[:-3])
        elif word.endswith("ied") and len(word) > 4:
            word = word[:-3] + "y"
        elif word.endswith("ed") and len(word) > 4 and _voiced(word[:-2]):
            word = _single(word[:-2])
    return _bare(word)


def _voiced(stem: str) -> bool:
    return any(letter in "aeiouy" for letter in stem)


def _single(stem: str) -> str:
    return stem[:-1] if len(stem) > 3 and stem[-1] == stem[-2] and stem[-1] not in "lsz" else stem


def _bare(word: str) -> str:
    # "make" and "making" meet without their e.
    return word[:-1] if len(word) > 3 and word.endswith("e") else word


def _phrases(meaning: Mapping[str, str]) -> Phrases:
    by_first: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    for phrase, stands_for in meaning.items():
        words = tuple(phrase.split())
        by_first.setdefault(words[0], []).append((words, stands_for))
    return {first: sorted(found, key=lambda one: -len(one[0])) for first, found in by_first.items()}


def _opposites(lines: Iterable[str], form: Any) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for line in lines:
        left, right = ([form(word) for word in side.split()] for side in line.split("/"))
        for one in left:
            found.setdefault(one, set()).update(right)
        for one in right:
            found.setdefault(one, set()).update(left)
    return {word: frozenset(others - {word}) for word, others in found.items()}


def _words(member: Any) -> list[str]:
    return member if isinstance(member, list) else [member]


def _members(lists: Mapping[str, Sequence[Any]], form: Any) -> dict[str, tuple[tuple[str, str], ...]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for name, members in lists.items():
        for member in members:
            words = _words(member)
            for word in words:
                found.setdefault(form(word), []).append((name, form(words[0])))
    return {word: tuple(places) for word, places in found.items()}
