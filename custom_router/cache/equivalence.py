"""Whether the answer to one question may be given to another. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of two questions. `p_same` is the calibrated probability that one answer serves both; `guard` is
    why it is not given, None where it is."""

    p_same: float
    guard: str | None


def equivalent(stored: str, asked: str, similarity: float, language: str, max_error: float) -> Verdict:
    """Judge two questions in one language with the cosine `similarity`."""
    p_same = max(0.0, min(1.0, similarity))
    return Verdict(p_same, None if language == "en" and p_same >= 1 - max_error else "similarity")
