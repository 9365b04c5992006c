"""JSON in and out: orjson where it can, the standard library where text holds lone surrogates."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import orjson

from custom_router.simulator.errors import ApiError


def decode_object(body: bytes) -> dict[str, Any]:
    """Parse a request body. Raises a 400 `ApiError` unless it is one JSON object."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        value = _decode_leniently(body)
    if not isinstance(value, dict):
        raise ApiError(400, "The request body must be a JSON object.")
    return value


def encode(value: Any) -> bytes:
    """Serialise a response; lone surrogates leave as `\\udXXX` escapes."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, separators=(",", ":")).encode("ascii")


def _decode_leniently(body: bytes) -> Any:
    """What orjson refuses and a client may lawfully send: escaped lone surrogates, very large integers."""
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, f"The request body is not valid JSON: {error}") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
