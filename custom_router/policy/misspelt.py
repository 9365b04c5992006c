"""Names of settings that were probably meant by another. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

_ALIKE = 0.6
"""difflib's own default: `teir` for `tier`, `maxTier` for `max_tier`, `tier` for either of two."""


@dataclass(frozen=True, slots=True)
class Misspelt:
    """Stands for the value of a setting whose name was written another way. No setting has such a value."""

    name: str

    def __repr__(self) -> str:
        return f"written {self.name[:40]!r}"


def meant_by(name: str, settings: Sequence[str]) -> list[str]:
    """The settings that a name may be a misspelling of, none for one that is like nothing known."""
    by_letters = {_letters(setting): setting for setting in settings}
    return [by_letters[match] for match in get_close_matches(_letters(name[:40]), by_letters, n=3, cutoff=_ALIKE)]


def _letters(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())
