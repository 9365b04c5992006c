from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_router.confidence.base import Answer, Expectations, Failure, ToolCall
from custom_router.confidence.text import failures
from custom_router.request import CallType, RequestView, Turn

PLAIN = Expectations()


def found(text: str, prompt: str = "Tell me about it.", **answer: object) -> tuple[Failure, ...]:
    return failures(RequestView(CallType.CHAT, prompt), Answer(text, "m", **answer), PLAIN)  # type: ignore[arg-type]


def test_blank_text_is_empty_unless_a_tool_is_called() -> None:
    assert found(" \n ") == (Failure.EMPTY,)
    view = RequestView(CallType.CHAT, "Weather?", tools=1)
    expected = Expectations(tools={"weather": {"type": "object"}})
    assert failures(view, Answer("", "m", tool_calls=(ToolCall("weather", "{}"),)), expected) == ()


def test_length_is_a_fault_only_where_the_client_set_no_limit() -> None:
    answer = Answer("It begins", "m", finish_reason="length")
    assert failures(RequestView(CallType.CHAT, "Go on"), answer, PLAIN) == (Failure.TRUNCATED,)
    assert failures(RequestView(CallType.CHAT, "Go on", max_output_tokens=2), answer, PLAIN) == ()


SENTENCE = "The energy of the photon is equal to the energy of the atom in its ground state. "
LOOPS = {
    "sentence": "We start. " + SENTENCE * 6 + SENTENCE[:31],
    "line": "Steps:\n" + "1. Check the cable.\n" * 20,
    "words": "Therefore it is " + "the the the " * 40,
    "two lines in turn": "- red is warm and bright\n- blue is cold and dark\n" * 12,
    "a phrase twice a round": "x = one over two times three, one over two times four, " * 9,
    "zeros": "0.7" + "0" * 2_500,
}


@pytest.mark.parametrize("text", LOOPS.values(), ids=LOOPS.keys())
def test_a_loop_to_the_end_is_repeated(text: str) -> None:
    assert found(text) == (Failure.REPEATED,)


CODE = "\n".join(f"    assert area({i}, {i + 1}) == {i * (i + 1)}" for i in range(40))
NO_LOOPS = {
    "table": "| a | b |\n|---|---|\n" + "\n".join(f"| {i} | {i * i} |" for i in range(60)),
    "list": "\n".join(f"- item number {i}" for i in range(60)),
    "code": CODE,
    "refrain": ("Row, row, row your boat,\nGently down the stream.\n" * 2 + "Merrily, merrily,\nLife is but a dream.\n")
    * 2,
    "closing tags": "<div>" * 9 + "text" + "\n</div>" * 9,
    "ruler": "Title\n" + "=" * 300,
    "a loop that was left": SENTENCE * 6 + "So the answer is 42, as the sum of both energies shows.",
    "three short cheers": "Hip hip hooray! " * 3,
    "matrix": "[" + "0, " * 150 + "0]",
}


@pytest.mark.parametrize("text", NO_LOOPS.values(), ids=NO_LOOPS.keys())
def test_similar_lines_are_no_loop(text: str) -> None:
    assert found(text) == ()


def test_a_loop_that_was_asked_for_is_none() -> None:
    lines = "I will not talk in class. " * 100
    assert found(lines, "Write 'I will not talk in class' 100 times.") == ()
    assert found(lines, "Was soll ich sagen?") == (Failure.REPEATED,)


def test_json_must_parse_and_fit_its_schema() -> None:
    view = RequestView(CallType.CHAT, "Give me JSON", json_mode=True)
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer"}, "code": {"type": "string", "pattern": "^[A-Z]+$"}},
        "required": ["n"],
    }

    def faults(text: str, wanted: dict[str, object]) -> tuple[Failure, ...]:
        return failures(view, Answer(text, "m"), Expectations(json_schema=wanted))

    assert faults('{"n": 1, "code": "AB"}', schema) == ()
    assert faults('```json\n{"n": 1}\n```', schema) == (Failure.INVALID_JSON,)
    assert faults('{"n": 1', schema) == (Failure.INVALID_JSON,)
    assert faults('{"n": NaN}', schema) == (Failure.INVALID_JSON,)
    assert faults('{"n": "1"}', schema) == (Failure.SCHEMA_MISMATCH,)
    assert faults('{"n": 1, "code": "ab"}', schema) == (Failure.SCHEMA_MISMATCH,)
    assert faults(json.dumps({"n": "1" * 40_000}), schema) == ()  # too long for the schema, and it parses
    assert faults("[1]", {}) == (Failure.SCHEMA_MISMATCH,)
    assert faults('{"anything": [1]}', {}) == ()


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "no such type"},
        {"$ref": "https://schemas.invalid/remote.json"},
        {"$ref": "#"},
        {"$ref": "#/nowhere"},
        {"properties": []},
        {"$schema": ["odd"]},
        {"patternProperties": {"(a+)+$": {"type": "integer"}}},
        {"properties": {"a": {"pattern": "(?=x)y"}}},
    ],
)
def test_a_schema_that_cannot_be_used_finds_no_fault(schema: dict[str, object]) -> None:
    answer = Answer('{"a": "b"}', "m")
    view = RequestView(CallType.CHAT, "Give me JSON", json_mode=True)
    assert failures(view, answer, Expectations(json_schema=schema)) == ()


@pytest.mark.parametrize("nested", [False, True])
def test_a_pattern_that_backtracks_without_end_is_answered_at_once(nested: bool) -> None:
    draft = "https://json-schema.org/draft/2020-12/schema"
    text = {"$schema": draft, "pattern": "^(a+)+$"} if nested else {"pattern": "^(a+)+$"}
    schema = {"$schema": draft, "properties": {"a": text, "again": {"$ref": "#"}}}
    answer = Answer(json.dumps({"again": {"a": "a" * 60 + "!"}}), "m")
    view = RequestView(CallType.CHAT, "Give me JSON", json_mode=True)
    faults = failures(view, answer, Expectations(json_schema=schema))
    assert faults == (() if nested else (Failure.SCHEMA_MISMATCH,))


def test_a_tool_call_must_name_a_tool_and_fit_its_arguments() -> None:
    view = RequestView(CallType.CHAT, "Weather in Rome?", tools=1)
    city = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    expected = Expectations(tools={"weather": city, "now": {"type": "object", "properties": {}}})

    def faults(name: str, arguments: str) -> tuple[Failure, ...]:
        return failures(view, Answer("", "m", tool_calls=(ToolCall(name, arguments),)), expected)

    assert faults("weather", '{"city": "Rome"}') == ()
    assert faults("now", "") == ()
    bad = (Failure.INVALID_TOOL_CALL,)
    assert faults("wether", '{"city": "Rome"}') == bad
    assert faults("weather", '{"city": "Ro') == bad
    assert faults("weather", '{"town": "Rome"}') == bad
    assert faults("weather", "") == bad
    assert faults("weather", '"Rome"') == bad
    call = Answer("", "m", tool_calls=(ToolCall("weather", "{}"),))
    assert failures(RequestView(CallType.CHAT, "Hi"), call, PLAIN) == bad
    assert failures(view, call, PLAIN) == ()  # tools were sent, but not in a form that could be read


TEXTS = st.one_of(
    st.text(),
    st.text(alphabet="aA1 .,\n{}[]\"'\\*#-的あяñ", max_size=400),
    st.builds(lambda unit, n: unit * n, st.text(min_size=1, max_size=30), st.integers(1, 200)),
)


@given(text=TEXTS, prompt=TEXTS, json_asked=st.booleans(), history=st.lists(TEXTS, max_size=2))
def test_no_text_raises(text: str, prompt: str, json_asked: bool, history: list[str]) -> None:
    view = RequestView(CallType.CHAT, prompt, history=tuple(Turn("user", turn) for turn in history))
    answer = Answer(text, "m", tool_calls=(ToolCall(text, text),) if json_asked else ())
    expected = Expectations(json_schema={"type": "object"} if json_asked else None, tools={text: {}})
    assert len(set(failures(view, answer, expected))) <= len(Failure)


def test_lone_surrogates_do_not_raise() -> None:
    view = RequestView(CallType.CHAT, "的" * 40)
    assert failures(view, Answer("\ud83d broken " * 20, "m"), Expectations(json_schema={})) == (Failure.INVALID_JSON,)
    assert Failure.EMPTY not in failures(view, Answer("\ud83d broken " * 20, "m"), PLAIN)


def test_a_very_long_answer_is_read_in_part() -> None:
    letters = random.Random(7)
    text = " ".join("".join(letters.choices("abcdefghij", k=6)) for _ in range(20_000))
    assert found(text) == ()
