"""The three tiers, ordered by what they cost."""

from __future__ import annotations

from enum import StrEnum


class Tier(StrEnum):
    """A price and quality class. `SIMPLE < MEDIUM < FRONTIER` holds with `rank`, and `max(..., key=rank)`."""

    SIMPLE = "simple"
    MEDIUM = "medium"
    FRONTIER = "frontier"

    @property
    def rank(self) -> int:
        """0 for simple, 1 for medium, 2 for frontier."""
        return _ORDER.index(self)


_ORDER = [Tier.SIMPLE, Tier.MEDIUM, Tier.FRONTIER]
TIERS: tuple[Tier, ...] = tuple(_ORDER)


def higher(a: Tier, b: Tier) -> Tier:
    """The dearer of two tiers."""
    return a if a.rank >= b.rank else b


def lower(a: Tier, b: Tier) -> Tier:
    """The cheaper of two tiers."""
    return a if a.rank <= b.rank else b
