"""What a recognised domain looks like, whoever recognised it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DomainMatch:
    """A request belongs to domain `name`.

    `rule` names what matched (`term:mortgage`, `pattern:2`, `model`, `header`, `caller`); `score` is the domain
    model's probability, or 1.0 for anything but the model.
    """

    name: str
    score: float
    rule: str
