"""What the gate knows about one answer. Pure data, free of LiteLLM types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """One generated token: its text, its log probability, and those of the likeliest alternatives, itself included,
    likeliest first (empty where the provider gave none). Natural logarithms."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One function call in an answer; `arguments` is the JSON text as the model wrote it."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Opinion:
    """Another model's answer to the same request. `confidence` is its log probability of being right, or None."""

    model: str
    answer: str
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One model's answer to one request.

    `confidence` is the model's own log probability that the answer is right, where something measured it, and
    `confidence_kind` what did: `answer_logprob` (of the chosen option's letter), `p_true_logprob` (of "yes, correct"
    when it checks itself) or `verbal` (a number that it wrote beside a structured answer).
    """

    text: str
    model: str
    finish_reason: str | None = None
    tokens: tuple[TokenLogprob, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    unread: bool = False
    """Whether there is more to it, of a kind that nothing here can judge: sound, an image, a call that is no
    function's."""
    confidence: float | None = None
    confidence_kind: str | None = None
    opinions: tuple[Opinion, ...] = ()


@dataclass(frozen=True, slots=True)
class Expectations:
    """What the request demands of any answer's form: the JSON schema it asked for, and its tools by name.

    `json_schema` is None unless JSON was asked for, and `{}` for any JSON object.
    """

    json_schema: Mapping[str, Any] | None = None
    tools: Mapping[str, Mapping[str, Any]] | None = None
    """Function name → JSON schema of its arguments; None when no tools were offered."""


class Failure(StrEnum):
    """Plain faults of an answer, seen without any model. Each escalates at once, whatever the confidence."""

    EMPTY = "empty"
    TRUNCATED = "truncated"
    REPEATED = "repeated"
    REFUSAL = "refusal"
    INVALID_JSON = "invalid_json"
    SCHEMA_MISMATCH = "schema_mismatch"
    INVALID_TOOL_CALL = "invalid_tool_call"
    LANGUAGE_MISMATCH = "language_mismatch"
