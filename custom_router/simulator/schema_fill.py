"""A value that satisfies a JSON schema, for simulated JSON answers and tool arguments.

Covers what structured output and tool definitions use: types, enum/const/default/examples, objects, arrays,
string lengths and common formats, numeric bounds, anyOf/oneOf/allOf, local `$ref` (recursion included).
`pattern` and conditional keywords are not solved.
"""

from __future__ import annotations

import math
from random import Random
from typing import Any

MAX_DEPTH = 8
MAX_NODES = 2_000

_FORMATS = {
    "date": "2025-06-15",
    "time": "09:30:00Z",
    "date-time": "2025-06-15T09:30:00Z",
    "duration": "PT15M",
    "email": "sam@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.10",
    "ipv6": "2001:db8::10",
    "uri": "https://example.com/item",
    "uuid": "6f1c2d3e-4b5a-4c6d-8e7f-901234567890",
}


class SchemaFiller:
    """Fills one root schema. `words` are offered as string values, so answers speak of the prompt."""

    def __init__(self, root: dict[str, Any], rng: Random, words: list[str]) -> None:
        self._root = root
        self._rng = rng
        self._words = words or ["item"]
        self._nodes = 0

    def fill(self) -> Any:
        """The value for the root schema. Raises `ValueError` for one that cannot be filled in reason."""
        try:
            return self._value(self._root, depth=0, name="value")
        except (RecursionError, OverflowError) as error:
            raise ValueError(f"the schema has no value of a reasonable size: {error}") from error

    def _value(self, schema: Any, *, depth: int, name: str) -> Any:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise ValueError(f"the schema asks for more than {MAX_NODES} values")
        schema = self._resolve(schema)
        for key in ("const", "default"):
            if key in schema:
                return schema[key]
        for key in ("enum", "examples"):
            if isinstance(schema.get(key), list) and schema[key]:
                return self._rng.choice(schema[key])
        for key in ("anyOf", "oneOf"):
            if isinstance(schema.get(key), list) and schema[key]:
                return self._value(self._branch(schema[key], depth), depth=depth + 1, name=name)
        return self._typed(schema, depth=depth, name=name)

    def _typed(self, schema: dict[str, Any], *, depth: int, name: str) -> Any:
        kind = _type_of(schema)
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return self._array(schema, depth, name)
        if kind in ("integer", "number"):
            return self._number(schema, whole=kind == "integer")
        if kind == "boolean":
            return self._rng.random() < 0.5
        if kind == "null":
            return None
        return self._string(schema, name)

    def _resolve(self, schema: Any) -> dict[str, Any]:
        """Follow local references and merge `allOf`; anything unusable becomes the empty schema."""
        for _ in range(MAX_DEPTH):
            if not isinstance(schema, dict) or not isinstance(schema.get("$ref"), str):
                break
            schema = _lookup(self._root, schema["$ref"])
        if not isinstance(schema, dict):
            return {}
        if not isinstance(schema.get("allOf"), list):
            return schema
        merged = {key: value for key, value in schema.items() if key != "allOf"}
        for part in schema["allOf"]:
            resolved = self._resolve(part) if part is not schema else {}
            for key, value in resolved.items():
                if key == "properties" and isinstance(value, dict):
                    merged[key] = {**merged.get(key, {}), **value}
                elif key == "required" and isinstance(value, list):
                    merged[key] = [*merged.get(key, []), *value]
                else:
                    merged.setdefault(key, value)
        return merged

    def _branch(self, branches: list[Any], depth: int) -> Any:
        """The first branch; near the depth limit one that ends the recursion, where there is one."""
        if depth >= MAX_DEPTH // 2:
            for branch in branches:
                if _type_of(self._resolve(branch)) not in ("object", "array"):
                    return branch
        return branches[0]

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties")
        if not isinstance(properties, dict) or depth > 3 * MAX_DEPTH:
            return {}
        required = schema.get("required") or []
        names = properties if depth < MAX_DEPTH else [name for name in properties if name in required]
        return {name: self._value(properties[name], depth=depth + 1, name=str(name)) for name in names}

    def _array(self, schema: dict[str, Any], depth: int, name: str) -> list[Any]:
        least = _integer(schema.get("minItems"), 0)
        most = _integer(schema.get("maxItems"), least + 2)
        count = min(max(least, 2), most) if depth < MAX_DEPTH // 2 else least
        return [self._value(schema.get("items", {}), depth=depth + 1, name=name) for _ in range(min(count, 64))]

    def _number(self, schema: dict[str, Any], *, whole: bool) -> int | float:
        step = _number_or(schema.get("multipleOf"), 1.0 if whole else 0.01)
        above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
        low = _number_or(schema.get("minimum"), _number_or(above, -math.inf))
        high = _number_or(schema.get("maximum"), _number_or(below, math.inf))
        if low == -math.inf:
            low = min(1.0, high) if high != math.inf else 1.0
        if high == math.inf:
            high = low + 100 * step
        first = math.floor(low / step) + 1 if _is_number(above) else math.ceil(low / step)
        last = math.ceil(high / step) - 1 if _is_number(below) else math.floor(high / step)
        value = self._rng.randint(first, max(first, last)) * step
        return round(value) if whole else round(value, 10)

    def _string(self, schema: dict[str, Any], name: str) -> str:
        text = _FORMATS.get(str(schema.get("format")))
        if text is None:
            text = self._rng.choice(self._words)
        least, most = _integer(schema.get("minLength"), 0), schema.get("maxLength")
        if len(text) < least:
            text = (f"{text} {name} " * (least // (len(text) + 1) + 1))[: min(least, 100_000)]
        return text[: _integer(most, len(text))]


def _type_of(schema: dict[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((entry for entry in kind if entry != "null"), "null")
    if isinstance(kind, str):
        return kind
    if "properties" in schema:
        return "object"
    return "array" if "items" in schema else "string"


def _lookup(root: Any, reference: str) -> Any:
    node = root
    for part in reference.removeprefix("#").split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        node = node.get(key) if isinstance(node, dict) else None
    return node


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _number_or(value: Any, fallback: float) -> float:
    return float(value) if _is_number(value) else fallback


def _integer(value: Any, fallback: int) -> int:
    return int(value) if _is_number(value) and value >= 0 else fallback
