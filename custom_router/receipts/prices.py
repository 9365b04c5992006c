"""What a request would cost at each tier. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

from custom_router.records.cost import Price
from custom_router.records.record import DecisionRecord, TokenFields
from custom_router.tiers import TIERS, Tier

FEW = 20
"""Answers, fewer of which say nothing about the next one's length."""
UNKNOWN_LENGTH = 250
"""Output tokens taken where nothing is known: an answer of some 190 words."""


@dataclass(frozen=True, slots=True)
class TierPrice:
    """What one tier would cost, in dollars; None where its deployments name no price."""

    tier: str
    usd: float | None


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices of one request. `assumption` says where the token counts are from."""

    input_tokens: int
    output_tokens: int
    assumption: str
    tiers: tuple[TierPrice, ...]


def prices_of(
    input_tokens: int,
    output_tokens: int | None,
    longest: int | None,
    finished: Iterable[DecisionRecord],
    prices: Mapping[Tier, Price],
) -> Prices:
    """The price at each tier's first deployment. `output_tokens` is what was said of the answer's length, `longest`
    the request's own limit, `finished` are requests whose answers tell how long answers are here."""
    output, assumption = _length(output_tokens, longest, finished)
    tokens = TokenFields(input=input_tokens, output=output)
    tiers = tuple(TierPrice(t.value, prices[t].of(tokens) if t in prices else None) for t in TIERS)
    return Prices(input_tokens, output, f"input estimated at four characters a token; {assumption}", tiers)


def _length(given: int | None, longest: int | None, finished: Iterable[DecisionRecord]) -> tuple[int, str]:
    if given is not None:
        return given, "output as given"
    seen = [made.tokens.output for made in finished if made.tokens.output > 0]
    if len(seen) >= FEW:
        length, assumption = round(fmean(seen)), f"output the mean of {len(seen)} answers of this worker's"
    else:
        length, assumption = UNKNOWN_LENGTH, f"output taken to be {UNKNOWN_LENGTH} tokens, for want of answers to go by"
    if longest is not None and longest < length:
        return longest, "output the request's own limit"
    return length, assumption
