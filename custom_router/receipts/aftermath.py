"""What became of a request, read from its record: cache, gate, cost, time. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from custom_router.cache.eligible import MEANING as PASSED_BY
from custom_router.cache.guards import MEANING as REFUSED

_VERDICTS = {
    "bypass": "the answer was not judged",
    "trust": "the answer was trusted",
    "review": "the answer was delivered and marked for review",
    "escalate": "the answer was not good enough",
    "none": "nothing could be measured, so the answer was delivered unjudged",
}
_UNSERVED = {
    "tier_below": "the stored answer is of a lower tier than this request needs",
    "tier_above_cap": "the stored answer is of a higher tier than the caller may have",
    "lost": "the stored answer could not be given",
}
_GUARDS = {
    **{guard.value: meaning for guard, meaning in PASSED_BY.items()},
    **{guard.value: meaning for guard, meaning in REFUSED.items()},
    **_UNSERVED,
}
_SUMS = ("total", "overhead", "ttft")


@dataclass(frozen=True, slots=True)
class Step:
    """One stage of the decision: how long it took, in milliseconds."""

    stage: str
    ms: float


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What became of a request. `cache`, `gate`, `tokens` and `cost` are the record's own fields, the first two with
    what their codes mean; `cost.alternatives` holds what the delivered answer's tokens cost at each tier, in dollars.
    `timeline` holds the stages in their order, `ms` what they came to, how long the answer took, and its first token.
    """

    status: str
    error: str | None
    deployment: str | None
    cache: Mapping[str, Any]
    gate: Mapping[str, Any]
    tokens: Mapping[str, Any]
    cost: Mapping[str, Any]
    timeline: tuple[Step, ...]
    ms: Mapping[str, float]


def aftermath_of(record: Mapping[str, Any]) -> Aftermath:
    """Read a record, of this version's or an earlier one."""
    outcome, cache, gate = (part(record, name) for name in ("outcome", "cache", "gate"))
    ms = {name: value for name, value in part(record, "latency_ms").items() if isinstance(value, int | float)}
    return Aftermath(
        status=str(outcome.get("status")),
        error=outcome.get("error"),
        deployment=record.get("deployment"),
        cache={**cache, "meaning": guard_meaning(cache.get("guard"))},
        gate={**gate, "meaning": _VERDICTS.get(str(gate.get("verdict")))},
        tokens=part(record, "tokens"),
        cost=part(record, "cost"),
        timeline=tuple(Step(name, value) for name, value in ms.items() if name not in _SUMS),
        ms={name: ms[name] for name in _SUMS if name in ms},
    )


def guard_meaning(guard: object) -> str | None:
    """Why the cache was passed by, or a stored answer refused, in words."""
    return _GUARDS.get(str(guard)) if guard is not None else None


def part(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A part of a record; empty where a record of another version has none."""
    value = record.get(name)
    return value if isinstance(value, Mapping) else {}
