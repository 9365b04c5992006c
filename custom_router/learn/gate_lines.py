"""Answers as JSON lines: what `tier-router gate` judges and `tier-router fit-gate` learns from. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from custom_router.confidence.base import Answer, Opinion, TokenLogprob

LineId = str | int | float
_Number = Annotated[float, Field(allow_inf_nan=False)]
_Confidence = Annotated[float, Field(allow_inf_nan=False, le=1.0)]


@dataclass(frozen=True, slots=True)
class AnswerLine:
    """One answer under the caller's own id; `good` is its label, 0..1, where it has one."""

    id: LineId
    prompt: str
    answer: Answer
    segment: str | None
    good: float | None


@dataclass(frozen=True, slots=True)
class BadAnswerLine:
    """A line that holds no answer. `id` is null where it could not be read."""

    id: LineId | None
    error: str


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class _Alternative(_Strict):
    token: str
    logprob: _Number


class _Token(_Alternative):
    top_logprobs: list[_Alternative] = []


class _Chat(_Strict):
    content: list[_Token]


class _Completion(_Strict):
    tokens: list[str]
    token_logprobs: list[_Number]


class _Opinion(_Strict):
    model: str
    answer: str
    conf: _Confidence | None = None


class _Line(_Strict):
    id: LineId
    prompt: str | None
    answer: str
    model: str
    conf: _Confidence | None = None
    conf_type: str | None = None
    logprobs: _Chat | _Completion | list[_Token] | None = None
    opinions: list[_Opinion] | None = None
    segment: str | None = None
    source: str | None = None
    score: Annotated[float, Field(ge=0, le=1)] | None = None


def read_answer_line(raw: bytes) -> AnswerLine | BadAnswerLine:
    """Read `{"id", "prompt", "answer", "model"}`, with `conf, conf_type, logprobs, opinions, segment, score` or not.

    `conf` of 0 or less is a natural log probability, above 0 to 1 a probability. `logprobs` is as OpenAI's chat or
    completion API gives it, or the list of its tokens. Without `segment`, `source` is the segment.
    """
    try:
        fields = json.loads(raw)
    except RecursionError:
        return BadAnswerLine(None, "is nested too deeply")
    except ValueError as error:
        return BadAnswerLine(None, f"is not JSON: {error}")
    try:
        line = _Line.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return BadAnswerLine(_id(fields), f"{where}: {first['msg']}" if where else first["msg"])
    if isinstance(line.id, float) and not math.isfinite(line.id):
        return BadAnswerLine(None, "id: must be a text or a finite number")
    answer = Answer(
        line.answer,
        line.model,
        tokens=_tokens(line.logprobs),
        confidence=_log_probability(line.conf),
        confidence_kind=None if line.conf is None else line.conf_type or "conf",
        opinions=tuple(Opinion(o.model, o.answer, _log_probability(o.conf)) for o in line.opinions or ()),
    )
    return AnswerLine(line.id, line.prompt or "", answer, line.segment or line.source, line.score)


def _log_probability(conf: float | None) -> float | None:
    return conf if conf is None or conf <= 0 else math.log(conf)


def _tokens(given: _Chat | _Completion | list[_Token] | None) -> tuple[TokenLogprob, ...]:
    if isinstance(given, _Completion):
        return tuple(map(TokenLogprob, given.tokens, given.token_logprobs))
    tokens = given.content if isinstance(given, _Chat) else given or []
    return tuple(
        TokenLogprob(one.token, one.logprob, tuple((other.token, other.logprob) for other in one.top_logprobs))
        for one in tokens
    )


def _id(fields: Any) -> LineId | None:
    found = fields.get("id") if isinstance(fields, Mapping) else None
    usable = isinstance(found, str | int | float) and not isinstance(found, bool)
    return found if usable and (not isinstance(found, float) or math.isfinite(found)) else None
