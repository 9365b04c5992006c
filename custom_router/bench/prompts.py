"""Prompts for the benchmark: plain questions of a given length, none ever sent twice to the same proxy. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

_QUESTIONS = (
    "how does the {a} {n} change the {m}",
    "why would a {a} {n} need another {m}",
    "what makes this {n} more {a} than that {m}",
    "when should the {a} {n} replace the {m}",
    "where does the {n} leave the {a} {m}",
    "which {a} {n} would you put beside the {m}",
)
_ADJECTIVES = """quiet early broken yellow heavy simple modern distant careful open narrow warm steady hidden common
    bright empty gentle rough smooth round small large young ancient local foreign private public frozen""".split()  # noqa: SIM905
_NOUNS = """garden river engine window bridge kitchen camera library mountain forest teacher farmer village computer
    machine telephone table bottle painting song story island ship train station airport bicycle road tower castle
    clock lamp mirror basket blanket jacket shoe hammer rope ladder fence field harvest season storm cloud planet
    star ocean beach desert valley animal horse bird fish insect flower tree leaf seed bread coffee dinner
    market street square museum theater school student lesson letter journal""".split()  # noqa: SIM905
_TOKENS_A_QUESTION = 9.4
"""Word pieces of one question with the mark that ends it, on average."""


def fresh_prompts(seed: int, tokens: int) -> Iterator[str]:
    """Endless different prompts of about `tokens` word pieces each, always the same ones for the same arguments."""
    rng = Random(f"{seed}/{tokens}")  # noqa: S311 - reproducible, not secret
    seen: set[str] = set()
    questions = max(1, round(tokens / _TOKENS_A_QUESTION))
    while True:
        prompt = " ".join(_question(rng) for _ in range(questions))
        if prompt not in seen:
            seen.add(prompt)
            yield prompt


def _question(rng: Random) -> str:
    noun, other = rng.sample(_NOUNS, 2)
    text = rng.choice(_QUESTIONS).format(a=rng.choice(_ADJECTIVES), n=noun, m=other)
    return f"{text[0].upper()}{text[1:]}?"
