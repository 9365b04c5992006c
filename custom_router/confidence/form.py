"""Whether an answer has the form that its request demands: JSON against its schema, tool calls against theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import jsonschema
import orjson
import re2
from jsonschema.protocols import Validator
from jsonschema.validators import extend, validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable

from custom_router.confidence.base import Expectations, Failure, ToolCall
from custom_router.request import RequestView

_CHECKED = 16_000
"""Characters of JSON whose schema is checked, some 15 ms that hold all else up; longer JSON need only parse."""


def json_fault(text: str, schema: Mapping[str, Any]) -> Failure | None:
    """What is wrong with `text` as the JSON that was asked for. A code fence is: the client would not read past it."""
    try:
        value = orjson.loads(text)
    except ValueError:  # JSONDecodeError, and text that is no UTF-8
        return Failure.INVALID_JSON
    fits = _fits(value, schema, len(text)) if schema else isinstance(value, dict)
    return None if fits else Failure.SCHEMA_MISMATCH


def unusable_call(call: ToolCall, view: RequestView, expected: Expectations) -> bool:
    """Whether no client could carry the call out: a function nobody offered, arguments that break their schema."""
    if expected.tools is None:
        return view.tools == 0
    if call.name not in expected.tools:
        return True
    written = call.arguments.strip() or "{}"  # several providers write no arguments as nothing
    try:
        value = orjson.loads(written)
    except ValueError:
        return True
    return not isinstance(value, dict) or not _fits(value, expected.tools[call.name], len(written))


def _fits(value: Any, schema: Mapping[str, Any], size: int) -> bool:
    """Whether the value, `size` characters of JSON, satisfies the schema; one that cannot be used finds no fault."""
    if size > _CHECKED:
        return True
    try:
        validator = _validator(orjson.dumps(schema, option=orjson.OPT_SORT_KEYS))
        return validator is None or validator.is_valid(value)
    except (TypeError, ValueError, RecursionError, Unresolvable):
        # A schema that is no JSON, a `$ref` to nowhere or round in circles: the client's fault, not the answer's.
        return True


def _pattern(validator: Validator, pattern: str, value: object, schema: object) -> Iterator[jsonschema.ValidationError]:
    try:
        matched = not isinstance(value, str) or re2.search(pattern, value) is not None
    except re2.error:  # a construct that needs backtracking, which a caller could stall the proxy with
        return
    if not matched:
        yield jsonschema.ValidationError("does not match the pattern")


@lru_cache(maxsize=256)
def _validator(schema: bytes) -> Validator | None:
    loaded = orjson.loads(schema)
    if b'"patternProperties"' in schema or schema.count(b'"$schema"') > ("$schema" in loaded):
        return None  # jsonschema matches the one with backtracking expressions, and for the other leaves our class
    kind = validator_for(loaded, default=jsonschema.Draft202012Validator)
    try:
        kind.check_schema(loaded)
    except jsonschema.SchemaError:
        return None
    loaded.pop("$schema", None)  # else a `$ref` to the root would leave our class as well
    # An empty registry: the default one would fetch the remote references a caller writes.
    bounded: Callable[..., Validator] = extend(kind, {"pattern": _pattern})  # type: ignore[no-untyped-call]
    return bounded(loaded, registry=Registry())
