"""Deterministic prose about a prompt: plausible to look at, plainly simulated."""

from __future__ import annotations

import re
from random import Random

_WORD = re.compile(r"[^\W\d_][\w'-]{3,23}")
_COMMON = frozenset(
    """about after also answer because been before being below between both could does each every explain find
    from give given have here into just like make many more most much need only other over please question same
    should show some such tell than that their them then there these they this those through used using very
    want were what when where which while will with would write your""".split()  # noqa: SIM905 - easier to edit
)

_OPENINGS = (
    "Here is a short answer about {a}.",
    "The main point is how {a} relates to {b}.",
    "{A} can be looked at in three steps.",
    "In brief: start from {a}, then consider {b}.",
)
_MIDDLES = (
    "First, {a} sets the scope of the question.",
    "Next, {b} narrows it down to the cases that matter.",
    "A common mistake is to treat {a} and {b} as the same thing.",
    "For most purposes {b} is the better place to begin.",
    "Where {a} is uncertain, check it against a second source.",
    "The effect of {b} is usually larger than it first seems.",
    "Keep {a} separate from {b} and the rest follows.",
    "An example makes this concrete: change {a} and watch {b}.",
)
_CLOSINGS = (
    "That covers {a} in outline.",
    "With {b} settled, the remaining steps are routine.",
    "If {a} changes, repeat the last step.",
)


def keywords(prompt: str, limit: int = 8) -> list[str]:
    """The prompt's first telling words, at most `limit`, read from its first 2,000 characters."""
    found: dict[str, None] = {}
    for match in _WORD.finditer(prompt[:2000]):
        word = match.group()
        if word.lower() not in _COMMON:
            found.setdefault(word)
            if len(found) == limit:
                break
    return list(found)


def write_prose(model: str, words: list[str], rng: Random) -> str:
    """A few sentences beginning with `[simulated MODEL]`."""
    topics = words or ["the request"]
    sentences = [rng.choice(_OPENINGS), *rng.sample(_MIDDLES, rng.randint(1, 6)), rng.choice(_CLOSINGS)]
    filled = []
    for sentence in sentences:
        first, second = rng.choice(topics), rng.choice(topics)
        filled.append(sentence.format(a=first, b=second, A=first[:1].upper() + first[1:]))
    return f"[simulated {model}] " + " ".join(filled)
