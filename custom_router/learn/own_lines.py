"""A team's own labelled traffic as JSON lines: decision records with an outcome, or plain prompts with scores. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from custom_router.confidence.gate import Verdict
from custom_router.learn.labelled import said_of
from custom_router.request import RequestView
from custom_router.tiers import Tier

EQUAL = 0.01
"""A cheap answer scored at most this far below the frontier's is as good."""
_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


@dataclass(frozen=True, slots=True)
class OwnLine:
    """One request of the team's and what is known of its answers.

    `ok[tier]`, 0 to 1, is whether that cheap tier's answer was good enough, where that is known. `scores`, `confidence`
    (the gate's) and `cost` (USD) are the answers', where they are known. `when` is seconds since the epoch, None where
    the line has no time.
    """

    view: RequestView
    ok: Mapping[Tier, float]
    scores: Mapping[Tier, float]
    source: str
    when: float | None
    confidence: Mapping[Tier, float] = field(default_factory=dict)
    cost: Mapping[Tier, float] = field(default_factory=dict)


class _Plain(BaseModel):
    model_config = ConfigDict(extra="ignore")

    prompt: str | None = None
    messages: list[dict[str, Any]] | None = None
    scores: dict[Tier, _Share]
    confidence: dict[Tier, _Share] = {}
    cost: dict[Tier, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = {}
    time: datetime | float | None = None
    source: str = "own"


def read_own_line(raw: bytes, feedback: Mapping[str, float] = MappingProxyType({})) -> OwnLine | str:
    """Read one line; a text says why it cannot be learned from.

    Plain: `{"prompt" or "messages", "scores": {"simple", "medium", "frontier"}, "time", "source"}`, a score, 0 to 1,
    for each tier that was tried; without the frontier's, a score is itself whether the answer was good enough.
    `confidence` and `cost` (USD), by tier too, are read where they are given. A decision record needs its prompt
    (`records.log_text`) and a judge's score, its caller's `feedback` (0 to 1, by request id) or a verdict of the gate.
    """
    try:
        fields = json.loads(raw)
    except (RecursionError, ValueError) as error:
        return f"is not JSON: {error}"
    if not isinstance(fields, dict):
        return "is no object"
    try:
        return _record(fields, feedback) if "decided_tier" in fields else _plain(fields)
    except ValidationError as error:
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"


def _plain(fields: dict[str, Any]) -> OwnLine | str:
    line = _Plain.model_validate(fields)
    messages = line.messages or ([{"role": "user", "content": line.prompt}] if line.prompt else None)
    if messages is None:
        return "has neither prompt nor messages"
    best = line.scores.get(Tier.FRONTIER)
    cheap: dict[Tier, float] = {tier: score for tier, score in line.scores.items() if tier is not Tier.FRONTIER}
    if not cheap:
        return "has no score of the simple or the medium tier"
    ok = cheap if best is None else {tier: float(score >= best - EQUAL) for tier, score in cheap.items()}
    view = RequestView.from_chat({"messages": messages})
    return OwnLine(view, _implied(ok), line.scores, line.source, _seconds(line.time), line.confidence, line.cost)


def _record(fields: dict[str, Any], feedback: Mapping[str, float]) -> OwnLine | str:
    text = fields.get("text")
    if not isinstance(text, str) or not text.strip():
        return "is a record without its prompt: set records.log_text, or join the prompts yourself"
    gate, outcome, tenant = (fields.get(name) or {} for name in ("gate", "outcome", "tenant"))
    if outcome.get("status") not in ("ok", "unknown"):
        return "is a record of a request that failed"
    if (fields.get("cache") or {}).get("status") == "hit":
        return "is a record of a stored answer, which was given to another question first"
    found = _judged(fields, gate, feedback)
    if found is None:
        return "is a record without an outcome: no judge, no feedback, no verdict of the gate"
    tier = Tier(fields["decided_tier"] if gate.get("escalated_to") else fields["tier"])
    if tier is Tier.FRONTIER:
        return "is a record of the frontier's answer, which says nothing of a cheaper one's"
    view = RequestView.from_chat({"messages": [{"role": "user", "content": text}]})
    source = tenant.get("team_alias") or tenant.get("team") or "own"
    when = fields.get("time")
    ok: dict[Tier, float] = {tier: found}
    return OwnLine(view, _implied(ok), ok, str(source), _seconds(datetime.fromisoformat(when) if when else None))


def _judged(fields: Mapping[str, Any], gate: Mapping[str, Any], feedback: Mapping[str, float]) -> float | None:
    """Whether the first answer was good enough: by a judge, else by feedback, else as the gate thought."""
    if gate.get("escalated_to"):
        return 0.0  # whatever was said later, was said of the answer that replaced it
    if (said := said_of(fields, feedback)) is not None:
        return said
    confidence = gate.get("confidence")
    judged = gate.get("verdict") in (Verdict.TRUST, Verdict.REVIEW, Verdict.ESCALATE)
    return float(confidence) if judged and isinstance(confidence, int | float) else None


def _implied(ok: Mapping[Tier, float]) -> dict[Tier, float]:
    """With what one tier's answer says of the other's: a better tier does what the simple one can, and no less."""
    known = dict(ok)
    simple, medium = known.get(Tier.SIMPLE), known.get(Tier.MEDIUM)
    if medium is None and simple is not None and simple >= 0.5:
        known[Tier.MEDIUM] = simple
    if simple is None and medium is not None and medium < 0.5:
        known[Tier.SIMPLE] = medium
    return known


def _seconds(time: datetime | float | None) -> float | None:
    return time.timestamp() if isinstance(time, datetime) else time
