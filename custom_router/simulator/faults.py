"""Faults on request: by header, by rule, or a provider that is dead until revived."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

FAULT_HEADER = "x-sim-fault"
MAX_RULES = 256


class Fault(StrEnum):
    """What can go wrong with one answer."""

    REFUSE = "refuse"
    """The connection closes at once, without an answer."""
    HANG = "hang"
    """Nothing comes until the client leaves or the server stops."""
    RATE_LIMIT = "rate_limit"
    """429 with `retry-after`."""
    ERROR_500 = "error_500"
    MALFORMED_JSON = "malformed_json"
    """200 with a body (or a stream event) that is not JSON."""
    CUT_STREAM = "cut_stream"
    """Half of the answer, then the connection closes."""
    SLOW_FIRST_TOKEN = "slow_first_token"  # noqa: S105 - a name, not a secret


class FaultRule(BaseModel):
    """Body of `POST /_sim/faults`: after letting `after` requests through, fail with `probability`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    provider: str = Field(min_length=1, max_length=64)
    fault: Fault
    probability: float = Field(default=1.0, ge=0, le=1)
    after: int = Field(default=0, ge=0)


class KillRequest(BaseModel):
    """Body of `POST /_sim/kill` and `/_sim/revive`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    provider: str = Field(min_length=1, max_length=64)


@dataclass(slots=True)
class _Standing:
    rule: FaultRule
    seen: int = 0


class FaultBoard:
    """The standing rules and the dead providers. `draw` gives uniform numbers in [0, 1)."""

    def __init__(self, draw: Callable[[], float]) -> None:
        self._draw = draw
        self._standing: list[_Standing] = []
        self.dead: set[str] = set()

    @property
    def rules(self) -> list[FaultRule]:
        """The standing rules, oldest first."""
        return [standing.rule for standing in self._standing]

    def add(self, rule: FaultRule) -> None:
        """Add a rule. Raises `ValueError` beyond `MAX_RULES`."""
        if len(self._standing) >= MAX_RULES:
            raise ValueError(f"at most {MAX_RULES} fault rules")
        self._standing.append(_Standing(rule))

    def clear(self) -> None:
        """Drop every rule; dead providers stay dead."""
        self._standing.clear()

    def kill(self, provider: str) -> None:
        """Make a provider close connections unanswered. Raises `ValueError` beyond `MAX_RULES` dead ones."""
        if len(self.dead) >= MAX_RULES and provider not in self.dead:
            raise ValueError(f"at most {MAX_RULES} dead providers")
        self.dead.add(provider)

    def pick(self, provider: str) -> Fault | None:
        """The fault this request to `provider` meets; counts the request against every rule of the provider."""
        picked: Fault | None = None
        for standing in self._standing:
            if standing.rule.provider != provider:
                continue
            standing.seen += 1
            if picked is None and standing.seen > standing.rule.after:
                certain = standing.rule.probability >= 1
                if certain or self._draw() < standing.rule.probability:
                    picked = standing.rule.fault
        return picked
