"""One question as the equivalence check reads it: words, numbers, quotes, roles, what is asked. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache

from custom_router.cache.lexicon import Lexicon, Phrases
from custom_router.cache.numerals import WRITTEN, Number, number_at

_TOKEN = re.compile(
    rf"""(?P<code>`[^`]+`|https?://\S+|[\w.+-]+@[\w-]+\.\w+|\w+(?:[_]\w+)+|[a-z]+[A-Z]\w*|\w+\(\)|[\w/\\]+\.[a-z]{{2,4}}\b(?!\s+[A-Z])|\.net\b|[cCfFjJ](?:\+\+|\#))
    |(?P<abbreviation>(?:[A-Za-z]\.){{2,}})
    |(?P<number>{WRITTEN})
    |(?P<word>[^\W\d_]+(?:['’][^\W\d_]+)*)
    |(?P<symbol>\S)""",
    re.VERBOSE,
)
_PLAIN = frozenset(".,;:!?'\"()-–—…‘’“”«»/_`¿¡")
"""Punctuation that says nothing about what is asked. Operators stay: each is a symbol."""
_OPERATOR = re.compile(r"(?<=[\d)\w])\s*([*/])\s*(?=[\d(])")
_MINUS = re.compile(r"-(?=\s*(?:[\d(]|\.\d))|(?<![\w)\]-])-(?=[^\s\d-])")
"""Before a number or a bracket, and where it joins no words: -x, -$5."""
_QUOTED = re.compile(
    r"\"([^\"]{1,200})\"|“([^”]{1,200})”|«([^»]{1,200})»|``([^`']{1,200})''|(?<!\w)'([^']{2,200})'(?!\w)"
)
_CLAUSE_END = frozenset(".?!;:,")
_BEFORE_NOUNS = frozenset({"the", "a", "an", "my", "your", "this", "that", "-"})
_SHORT = {
    form: (word, "is")
    for word in ("what", "who", "where", "how", "when", "why", "which")
    for form in (f"{word}'s", f"{word}s")
}


@dataclass(frozen=True, slots=True)
class Token:
    """One word, number or sign. `key` is what it is compared by."""

    surface: str
    lower: str
    key: str
    content: bool
    name: bool = False
    """Whether it is written as a name: capitals where a plain word would have none."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A question taken apart. Sets and sequences hold keys."""

    tokens: tuple[Token, ...]
    content: tuple[str, ...]
    words: frozenset[str]
    """Keys of all words, function words too."""
    names: frozenset[str]
    numbers: tuple[Number, ...]
    numbered: tuple[tuple[Number, str], ...]
    """Numbers with the content word that follows."""
    symbols: tuple[tuple[str, int], ...]
    code: frozenset[str]
    quotes: frozenset[str]
    plain: str
    """All words in order, a blank around each: what a quotation is sought in."""
    negated: frozenset[str]
    negations: int
    questions: tuple[str, ...]
    """Kinds of question, in order; empty where nothing says."""
    modal: str | None
    tense: str | None
    entities: frozenset[tuple[str, str]]
    alternatives: frozenset[tuple[str, str]]
    governed: tuple[tuple[str, frozenset[str]], ...]
    """Each role word in order, with the content words behind it."""

    @property
    def question(self) -> str | None:
        """What is asked first; None where nothing says."""
        return self.questions[0] if self.questions else None


def folded(text: str) -> str:
    """Lower case, without accents, plain apostrophes."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFD", text.casefold().replace("’", "'"))
    return unicodedata.normalize("NFC", "".join(c for c in decomposed if unicodedata.category(c) != "Mn"))


@lru_cache(maxsize=8192)
def read(text: str, lexicon: Lexicon) -> Reading:
    """Take a question apart."""
    tokens = _tokens(text, lexicon)
    lower = [token.lower for token in tokens]
    numbers, numbered, counted = _numbers(tokens, lexicon)
    content = tuple(t.key for i, t in enumerate(tokens) if t.content and i not in counted)
    keys = frozenset(t.key for t in tokens)
    negated, negations = _negations(tokens, lower, lexicon)
    questions, modal, tense = _asked(tokens, lower, lexicon)
    return Reading(
        tokens=tokens,
        content=content,
        words=keys,
        names=frozenset(t.key for i, t in enumerate(tokens) if t.name and i not in counted),
        numbers=numbers,
        numbered=numbered,
        symbols=tuple(sorted(Counter(_symbols(text, tokens)).items())),
        code=frozenset(t.surface.strip("`") for t in tokens if t.key.startswith("code:")),
        quotes=frozenset(_quotes(text, lexicon)),
        plain=f" {' '.join(t.lower for t in tokens)} ",
        negated=negated,
        negations=negations,
        questions=questions,
        modal=modal,
        tense=tense,
        entities=frozenset(place for key in keys for place in lexicon.entities.get(key, ())),
        alternatives=frozenset(place for key in keys for place in lexicon.alternatives.get(key, ())),
        governed=_governed(tokens, counted, lexicon),
    )


def _tokens(text: str, lexicon: Lexicon) -> tuple[Token, ...]:
    found = [(match.lastgroup or "", match.group()) for match in _TOKEN.finditer(text)]
    words = [surface for kind, surface in found if kind == "word"]
    capitals = sum(1 for word in words if word[0].isupper())
    # In a headline or a shout capitals name nothing.
    telling = len(words) < 2 or capitals <= 0.6 * len(words) or capitals <= 2
    shouted = bool(words) and sum(1 for word in words if word.isupper() and len(word) > 1) > 0.5 * len(words)
    tokens: list[Token] = []
    opening, before = True, ""
    for kind, surface in found:
        lower = folded(surface)
        if kind == "code":
            tokens.append(Token(surface, lower, f"code:{surface.strip('`')}", True, True))
        elif kind == "symbol" or kind == "number":
            tokens.append(Token(surface, lower, lower, False))
        else:
            if kind == "abbreviation":
                surface = surface.replace(".", "").upper()
            # "the probability of A given B": a letter by itself is a name, where it begins no sentence.
            alone = len(surface) == 1 and (opening or surface == "I")
            acronym = surface.isupper() and not shouted and not alone
            token = _word(surface, acronym, telling and not opening, lexicon)
            # 5 m is no 5 M; other words are taken as they come, in whatever case.
            cased = surface in lexicon.cased or (len(surface) == 1 and before == "number")
            tokens.append(replace(token, key=surface) if cased else token)
        before = kind
        opening = (kind == "symbol" and surface in '.?!:"“') or (opening and kind == "symbol")
    return tuple(_joined(tokens, lexicon))


def _word(surface: str, acronym: bool, capitals_tell: bool, lexicon: Lexicon) -> Token:
    lower = folded(surface)
    base = lower.removesuffix("'s").removesuffix("'")
    key = lexicon.acronyms.get(base, base) if acronym else lexicon.key(base)
    function = not acronym and (base in lexicon.function or base.replace("'", "") in lexicon.function)
    content = not function and (acronym or base not in lexicon.roles)
    content = content and base not in lexicon.negation and "n't" not in base
    mixed = any(letter.isupper() for letter in surface[1:]) and not surface.isupper()
    name = acronym or mixed or (capitals_tell and surface[0].isupper() and not function)
    # An odd letter makes a name too: what is not known must match.
    return Token(surface, lower, key, content, name or not lower.isascii())


def _joined(tokens: list[Token], lexicon: Lexicon) -> list[Token]:
    """One token for each phrase that stands for another word."""
    out: list[Token] = []
    at = 0
    while at < len(tokens):
        match = _phrase_at([t.lower for t in tokens[at : at + 6]], 0, lexicon.same)
        if match is None:
            out.append(tokens[at])
            at += 1
            continue
        length, word = match
        run = tokens[at : at + length]
        out.append(Token(" ".join(t.surface for t in run), word, lexicon.key(word), True, any(t.name for t in run)))
        at += length
    return out


def _phrase_at(words: list[str], at: int, phrases: Phrases) -> tuple[int, str] | None:
    for phrase, meaning in phrases.get(words[at], ()):
        if tuple(words[at : at + len(phrase)]) == phrase:
            return len(phrase), meaning
    return None


def _numbers(
    tokens: tuple[Token, ...], lexicon: Lexicon
) -> tuple[tuple[Number, ...], tuple[tuple[Number, str], ...], frozenset[int]]:
    numbers: list[Number] = []
    numbered: list[tuple[Number, str]] = []
    used: set[int] = set()
    surfaces = [t.surface for t in tokens]
    at = 0
    while at < len(tokens):
        found = number_at(surfaces, at, lexicon)
        if found is None:
            at += 1
            continue
        number, length = found
        numbers.append(number)
        used.update(range(at, at + length))
        at += length
        follows = next((t.key for t in tokens[at : at + 2] if t.content), None)
        if follows is not None:
            numbered.append((number, follows))
    return tuple(numbers), tuple(numbered), frozenset(used)


def _symbols(text: str, tokens: tuple[Token, ...]) -> list[str]:
    signs = [t.surface for t in tokens if len(t.surface) == 1 and not t.surface.isalnum() and t.surface not in _PLAIN]
    return signs + _OPERATOR.findall(text) + _MINUS.findall(text)


def _quotes(text: str, lexicon: Lexicon) -> list[str]:
    found = (next(group for group in match.groups() if group) for match in _QUOTED.finditer(text))
    return [" ".join(t.lower for t in _tokens(quote, lexicon) if t.lower not in _PLAIN) for quote in found]


def _negations(tokens: tuple[Token, ...], lower: list[str], lexicon: Lexicon) -> tuple[frozenset[str], int]:
    heads: set[str] = set()
    count = 0
    at = 0
    while at < len(lower):
        if (skipped := _phrase_at(lower, at, lexicon.not_negation)) is not None:
            at += skipped[0]
            continue
        word = lower[at].replace("'", "")
        if word in lexicon.negation or lower[at].endswith("n't"):
            count += 1
            heads.update([t.key for t in tokens[at + 1 : at + 6] if t.content][:1])
        at += 1
    return frozenset(heads), count


def _asked(
    tokens: tuple[Token, ...], lower: list[str], lexicon: Lexicon
) -> tuple[tuple[str, ...], str | None, str | None]:
    """What is asked, in order; by which modal where the answer is yes or no; and in which tense."""
    words = [part for word in lower for part in _SHORT.get(word, (word,))]
    tense = next((lexicon.tenses[word] for word in words if word in lexicon.tenses), None)
    kinds: list[str] = []
    modal: str | None = None
    at, opening = 0, True
    while at < len(words):
        if words[at] in _CLAUSE_END or words[at] in ("and", "but", "or"):
            opening, at = True, at + 1
        elif opening and (courtesy := _phrase_at(words, at, lexicon.courtesies)) is not None:
            at += courtesy[0]
        # Behind the first question, "what" and "when" mostly only join clauses, unless they open one.
        elif (opening or not kinds) and (asked := _phrase_at(words, at, lexicon.questions)) is not None:
            kinds.append(lexicon.same_questions.get(asked[1], asked[1]))
            opening, at = False, at + asked[0]
        elif opening and not kinds and (found := lexicon.yes_no.get(words[at].replace("'", ""))) is not None:
            kinds.append("yes_no")
            modal, opening, at = found, False, at + 1
        else:
            opening, at = False, at + 1
    return tuple(kinds), modal, tense


def _governed(
    tokens: tuple[Token, ...], counted: frozenset[int], lexicon: Lexicon
) -> tuple[tuple[str, frozenset[str]], ...]:
    found: list[tuple[str, set[str]]] = []
    behind = False
    for at, token in enumerate(tokens):
        if not token.content and token.lower in lexicon.roles:
            found.append((lexicon.roles[token.lower], set()))
            behind = True
        elif token.content and at not in counted:
            if behind:
                found[-1][1].add(token.key)
        elif at not in counted and token.lower not in _BEFORE_NOUNS:
            behind = False
    return tuple((role, frozenset(keys)) for role, keys in found if keys)
