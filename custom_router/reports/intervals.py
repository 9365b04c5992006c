"""How far a share counted on few requests can be trusted. Pure."""

from __future__ import annotations

from math import sqrt

FEW = 30
"""Below this many labelled requests a share is shown as too few to tell."""
_Z = 1.959964


def wilson(good: int, of: int) -> tuple[float, float] | None:
    """Wilson's 95 % interval for a share; None where there is nothing to count."""
    if of <= 0:
        return None
    share, square = good / of, _Z * _Z
    middle = (share + square / (2 * of)) / (1 + square / of)
    half = _Z * sqrt(share * (1 - share) / of + square / (4 * of * of)) / (1 + square / of)
    return max(0.0, middle - half), min(1.0, middle + half)
