"""A made-up team's traffic: what is hard for its cheap tier has nothing to do with what exams call hard."""

from __future__ import annotations

import json
import random
from pathlib import Path

_EASY = ("invoice", "parcel", "refund", "voucher", "delivery", "receipt", "address", "password")
_HARD = ("turbine", "gearbox", "valve", "bearing", "rotor", "flange", "coolant", "sensor")
_ASKS = ("Tell me about the {} of {}.", "What should I know of {} {}?", "Explain {} {} to a customer.", "{} {}, please")


def lines(count: int, seed: int = 0, *, shuffled: bool = False) -> list[dict[str, object]]:
    """Labelled lines, one a minute. Shuffled: the same scores dealt without looking at the prompts."""
    rng = random.Random(seed)
    prompts, outcomes = [], []
    for number in range(count):
        hard = rng.random() < 0.5
        thing = rng.choice(_HARD if hard else _EASY)
        prompts.append(rng.choice(_ASKS).format(thing, f"order {number}"))
        good = rng.random() < (0.15 if hard else 0.95)
        outcomes.append({"simple": float(good), "medium": float(good or rng.random() < 0.6), "frontier": 1.0})
    if shuffled:
        rng.shuffle(outcomes)
    return [
        {"prompt": prompt, "scores": scores, "time": 60.0 * number, "source": ("shop", "plant")[number % 2]}
        for number, (prompt, scores) in enumerate(zip(prompts, outcomes, strict=True))
    ]


def write(path: Path, count: int, **how: object) -> Path:
    """`lines` as a file."""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines(count, **how)), "utf-8")  # type: ignore[arg-type]
    return path
