"""Properties of what the simulator makes up: tokens, schema values, pace, fault rules."""

from __future__ import annotations

import json
import statistics
from random import Random
from typing import Any

import jsonschema  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from custom_router.simulator.config import ModelSpec
from custom_router.simulator.faults import Fault, FaultBoard, FaultRule
from custom_router.simulator.pace import Pace, draw_pace
from custom_router.simulator.schema_fill import SchemaFiller
from custom_router.simulator.tokens import split_tokens

Schema = dict[str, Any]


def _integers(low: int, span: int, step: int) -> Schema:
    return {"type": "integer", "minimum": low, "maximum": low + span + step, "multipleOf": step}


LEAVES = st.one_of(
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    st.just({}),
    st.builds(_integers, st.integers(-1000, 1000), st.integers(0, 50), st.integers(1, 9)),
    st.builds(
        lambda low, span: {"type": "number", "exclusiveMinimum": low, "exclusiveMaximum": low + span},
        st.integers(-9, 9),
        st.integers(1, 5),
    ),
    st.builds(
        lambda low, span: {"type": "string", "minLength": low, "maxLength": low + span},
        st.integers(0, 60),
        st.integers(0, 9),
    ),
    st.lists(st.text(max_size=5), min_size=1, max_size=3).map(lambda values: {"enum": values}),
    st.sampled_from(["date", "date-time", "email", "uuid", "ipv4"]).map(
        lambda name: {"type": "string", "format": name}
    ),
)


def _object(properties: dict[str, Schema]) -> Schema:
    required = sorted(properties)
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.dictionaries(st.text(max_size=6), inner, max_size=4).map(_object),
        st.builds(
            lambda items, low, span: {"type": "array", "items": items, "minItems": low, "maxItems": low + span},
            inner,
            st.integers(0, 3),
            st.integers(0, 3),
        ),
        st.lists(inner, min_size=1, max_size=3).map(lambda branches: {"anyOf": branches}),
    ),
    max_leaves=8,
)


@given(SCHEMAS, st.integers(), st.lists(st.text(min_size=1, max_size=8), max_size=4))
def test_filled_values_fit_their_schema_and_are_json(schema: Schema, seed: int, words: list[str]) -> None:
    value = SchemaFiller(schema, Random(seed), words).fill()
    jsonschema.validate(json.loads(json.dumps(value)), schema, format_checker=jsonschema.FormatChecker())
    assert SchemaFiller(schema, Random(seed), words).fill() == value


def test_all_of_and_references_are_merged() -> None:
    schema: Schema = {
        "allOf": [{"$ref": "#/$defs/named"}, {"properties": {"age": {"type": "integer"}}, "required": ["age"]}],
        "$defs": {"named": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}},
    }
    value = SchemaFiller(schema, Random(1), ["Ada"]).fill()
    jsonschema.validate(value, schema)
    assert value["name"] == "Ada"


@given(st.text())
def test_tokens_join_to_the_text(text: str) -> None:
    assert "".join(split_tokens(text)) == text


def test_english_has_about_four_characters_a_token() -> None:
    text = "The effect of temperature is usually larger than it first seems; check a second source. " * 5
    assert 3.0 < len(text) / len(split_tokens(text)) < 6.0


def test_the_first_token_is_lognormal_around_its_median() -> None:
    rng = Random(7)
    spec = ModelSpec(latency_ms=200, sigma=0.5, tokens_per_second=50)
    draws = [draw_pace(spec, 1.0, 0.0, rng).first_s for _ in range(2000)]
    assert 0.19 < statistics.median(draws) < 0.21
    assert max(draws) > 0.5
    assert draw_pace(spec, 0.0, 0.0, rng) == Pace(0.0, 0.0)
    doubled = draw_pace(spec, 2.0, 1.0, Random(1))
    single = draw_pace(spec, 1.0, 0.0, Random(1))
    assert abs(doubled.first_s - (2 * single.first_s + 1.0)) < 1e-9
    assert abs(single.total_s(51) - single.first_s - 1.0) < 1e-9


def test_the_first_rule_that_applies_wins_and_every_rule_counts() -> None:
    board = FaultBoard(lambda: 0.5)
    board.add(FaultRule(provider="a", fault=Fault.HANG, after=1))
    board.add(FaultRule(provider="a", fault=Fault.REFUSE, probability=0.6))
    board.add(FaultRule(provider="b", fault=Fault.ERROR_500, probability=0.4))
    assert [board.pick("a"), board.pick("a"), board.pick("b")] == [Fault.REFUSE, Fault.HANG, None]
