"""Decision records as labelled answers: what the gate measured, and what the caller said afterwards. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from custom_router.learn.gate_scored import Scored
from custom_router.learn.labelled import said_of


def is_record(fields: Mapping[str, Any]) -> bool:
    """Whether a line is a decision record."""
    return "decided_tier" in fields


def scored_record(fields: Mapping[str, Any], feedback: Mapping[str, float]) -> Scored | str:
    """What a record and the feedback on it (0 to 1, by request id) say; a text says why they say nothing.

    The record holds what the gate measured and not the answer, so no prompt need be kept for this.
    """
    gate, good = fields.get("gate") or {}, said_of(fields, feedback)
    if good is None:
        return "is a record without an outcome: no judge, no feedback"
    if gate.get("escalated_to"):
        return "is a record of an escalated answer: what was said is of its replacement"
    signals = gate.get("signals") or {}
    score, model, source = signals.get("score"), gate.get("model"), gate.get("source")
    if not isinstance(score, int | float) or not math.isfinite(score) or not model or not source:
        return "is a record without a signal: the gate did not judge its answer, or knew nothing of it"
    tenant, domain = fields.get("tenant") or {}, fields.get("domain") or {}
    own, agreement = signals.get("own_logprob"), signals.get("agreement_1")
    return Scored(
        tenant.get("team_alias") or domain.get("name"), str(model), str(source), float(score), own, good, agreement
    )
