"""What is compared: the product's acceptance of a near question, and what others do in its place. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from custom_router.cache.eligible import ineligible_text
from custom_router.cache.equivalence import Equivalence
from custom_router.cache.key import canonical
from custom_router.cache.language import language_of
from custom_router.policy.cache import CachePolicy
from custom_router.request import ENCODED_CHARS

COSINES = (0.80, 0.85, 0.90, 0.92, 0.94, 0.95, 0.96, 0.98)
GPTCACHE = 0.60
"""GPTCache's defaults: `similarity_threshold` .8 of `SearchDistanceEvaluation`, whose range is 0 to 4, so a squared
Euclidean distance up to .8; between unit vectors that is a cosine from .60."""
REDISVL = 0.90
"""RedisVL's `SemanticCache` default: `distance_threshold` .1, a cosine from .90."""

_DIGITS = re.compile(r"\d+")
_NEGATED = re.compile(r"\b(?:not|no|never|without|cannot|n't)\b|n't\b", re.IGNORECASE)
_NAME = re.compile(r"(?<=[a-z,] )[A-Z]\w+")


@dataclass(frozen=True, slots=True)
class System:
    """A way to decide. `takes` says whether a text is stored and served at all; `accepts` whether a stored text's
    answer is given for the text asked, at their cosine; `least` is a cosine below which it never is."""

    name: str
    least: float
    accepts: Callable[[str, str, float], bool]
    takes: Callable[[str], bool] = lambda text: True


def cosine_alone(threshold: float, name: str | None = None) -> System:
    """Accepts from a cosine on."""
    return System(name or f"cosine {threshold:.2f}", threshold, lambda a, b, cosine: cosine >= threshold)


def simple_guard(a: str, b: str) -> bool:
    """The same digits, as many negations or none in both, the same names written with capitals."""
    return (
        sorted(_DIGITS.findall(a)) == sorted(_DIGITS.findall(b))
        and bool(_NEGATED.search(a)) == bool(_NEGATED.search(b))
        and set(_NAME.findall(a)) == set(_NAME.findall(b))
    )


def cosine_with_simple_guard(threshold: float) -> System:
    """A cosine, and the guard that anybody would write first."""
    return System(
        f"cosine {threshold:.2f} + simple guard",
        threshold,
        lambda a, b, cosine: cosine >= threshold and simple_guard(a, b),
    )


def product(equivalence: Equivalence, policy: CachePolicy, least: float, name: str = "shipped") -> System:
    """What the proxy does, eligibility included, but for the same text, which a replay finds by itself."""

    def takes(text: str) -> bool:
        return ineligible_text(text, policy) is None

    def accepts(a: str, b: str, cosine: float) -> bool:
        if canonical(a) == canonical(b):
            return True
        language = language_of(b)
        if language_of(a) != language or max(len(a.strip()), len(b.strip())) > ENCODED_CHARS:
            return False
        return equivalence.judge(a, b, cosine, language, policy.max_error).guard is None

    return System(name, least, accepts, takes)
