"""The lines of `tier-router route`: a question in, a decision out. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from custom_router.decision import Decision
from custom_router.request import RequestView


@dataclass(frozen=True, slots=True)
class Question:
    """One request to decide, under the caller's own id."""

    id: str | int | float
    view: RequestView


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is not a question. `id` is null where it could not be read."""

    id: str | int | float | None
    error: str


def read_line(raw: bytes) -> Question | BadLine:
    """Read `{"id", "prompt"}` or `{"id", "messages"}`; messages win where both are given, other keys are ignored.

    Messages that are a list but hold what no API would take are a question still: the proxy routes those too.
    """
    try:
        line = json.loads(raw, parse_constant=_not_json)
    except RecursionError:
        return BadLine(None, "is nested too deeply")
    except ValueError as error:  # JSON, UTF-8 and oversized numbers alike
        return BadLine(None, f"is not JSON: {error}")
    if not isinstance(line, Mapping):
        return BadLine(None, f"is {_kind(line)}, not an object with id and prompt or messages")
    given = line.get("id")
    if isinstance(given, bool) or not isinstance(given, str | int | float) or not math.isfinite(_size(given)):
        return BadLine(None, "id must be a text or a number" if "id" in line else "has no id")
    if "messages" in line:
        if not isinstance(line["messages"], list):
            return BadLine(given, f"messages is {_kind(line['messages'])}, not a list")
        return Question(given, RequestView.from_chat({"messages": line["messages"]}))
    if "prompt" not in line:
        return BadLine(given, "has neither prompt nor messages")
    if not isinstance(line["prompt"], str):
        return BadLine(given, f"prompt is {_kind(line['prompt'])}, not a text")
    return Question(given, RequestView.from_chat({"messages": [{"role": "user", "content": line["prompt"]}]}))


def decision_line(id_: str | int | float, decision: Decision) -> str:
    """A decision as one line of JSON, without the line end. ASCII, so that any text in `id` survives."""
    return json.dumps({"id": id_, **decision_fields(decision)})


def bad_line(bad: BadLine) -> str:
    """The line that stands in a bad line's place."""
    return json.dumps({"id": bad.id, "error": bad.error})


def decision_fields(decision: Decision) -> dict[str, Any]:
    """What is said of a decision. `tier` is the one decided, also in shadow mode."""
    domain = decision.domain
    return {
        "tier": decision.tier.value,
        "complexity": round(decision.complexity, 3),
        "p_ok": decision.p_ok,
        "ood": round(decision.ood, 4),
        "intent": decision.intent,
        "domain": {"name": domain.name, "score": round(domain.score, 6), "rule": domain.rule} if domain else None,
        "causes": [cause.value for cause in decision.causes],
        "source": decision.source,
        "policy_version": decision.policy_version,
    }


def _size(number: str | int | float) -> float:
    return number if isinstance(number, float) else 0.0


def _not_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON value")


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
