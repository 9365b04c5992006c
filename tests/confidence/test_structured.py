from __future__ import annotations

import itertools
import json
from dataclasses import replace

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_router.confidence.structured import (
    IncrementalUnwrapper,
    StructuredInvalid,
    may_structure,
    structured_response_format,
    unwrap,
)
from custom_router.request import CallType, RequestView


def streamed(chunks: list[str]) -> tuple[str, float | None]:
    reader = IncrementalUnwrapper()
    answer = "".join(reader.feed(chunk) for chunk in chunks)
    return answer, reader.finish()


def cut(text: str, at: list[int]) -> list[str]:
    places = [0, *sorted(place % (len(text) + 1) for place in at), len(text)]
    return [text[start:end] for start, end in itertools.pairwise(places)]


@given(
    answer=st.text(),
    confidence=st.one_of(st.none(), st.floats(0, 1), st.integers(0, 1)),
    at=st.lists(st.integers(0, 10_000), max_size=30),
    ascii_only=st.booleans(),
    confidence_first=st.booleans(),
    indent=st.sampled_from([None, 0, 2]),
)
def test_any_chunking_gives_the_answer_back(
    answer: str,
    confidence: float | None,
    at: list[int],
    ascii_only: bool,
    confidence_first: bool,
    indent: int | None,
) -> None:
    fields = {"answer": answer, "confidence": confidence}
    if confidence_first:
        fields = {"confidence": confidence, "answer": answer}
    text = json.dumps(fields, ensure_ascii=ascii_only, indent=indent)
    assert streamed(cut(text, at)) == (answer, confidence)
    assert streamed(list(text)) == (answer, confidence)
    assert unwrap(text) == (answer, confidence)


@given(text=st.text(alphabet='{}",:\\u0dnaswer 1.\ud83d\ude00[]'), at=st.lists(st.integers(0, 200), max_size=5))
def test_whole_and_streamed_reading_agree_on_any_text(text: str, at: list[int]) -> None:
    def outcome(chunks: list[str]) -> object:
        try:
            return streamed(chunks)
        except StructuredInvalid:
            return "invalid"

    assert outcome(cut(text, at)) == outcome([text])


def test_text_is_released_as_it_comes() -> None:
    reader = IncrementalUnwrapper()
    pieces = [reader.feed(chunk) for chunk in ('{"ans', 'wer": "Pa', "ris\\", "n \\ud8", "3d", "\\ude00!", '", "conf')]
    assert pieces == ["", "Pa", "ris", "\n ", "", "😀!", ""]
    assert reader.feed('idence": 0.') == ""
    with pytest.raises(StructuredInvalid):
        reader.finish()
    reader.feed("9}")
    assert reader.finish() == 0.9


@pytest.mark.parametrize(
    "chunks",
    [['{"answer": "\\ud83d\\ude00"}'], ['{"answer": "\\ud83d', '\\ude00"}'], ['{"answer": "\ud83d', '\ude00"}']],
)
def test_surrogate_pairs_are_joined_however_they_come(chunks: list[str]) -> None:
    assert streamed(chunks) == ("😀", None)


def test_half_a_pair_becomes_the_replacement_character() -> None:
    assert unwrap('{"answer": "a\\ud83d"}')[0] == "a�"
    assert unwrap('{"answer": "\\ude00a"}')[0] == "�a"
    assert streamed(['{"answer": "\\ud83d', 'x"}'])[0] == "�x"


@pytest.mark.parametrize("confidence", ["1.5", "95", "-0.1", "null"])
def test_a_confidence_that_means_nothing_is_none(confidence: str) -> None:
    assert unwrap(f'{{"answer": "x", "confidence": {confidence}}}') == ("x", None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Paris",
        '```json\n{"answer": "x", "confidence": 1}\n```',
        '{"answer": "x", "confidence": 1',
        '{"answer": "x',
        '{"answer": "x", "confidence": 1} and so on',
        '{"confidence": 1}',
        '{"answer": null, "confidence": 1}',
        '{"answer": {"text": "x"}, "confidence": 1}',
        '{"answer": "x", "answer": "y"}',
        '{"answer": "x", "confidence": "high"}',
        '{"answer": "x", "confidence": true}',
        '{"answer": "x", "confidence": NaN}',
        '{"answer": "x", "confidence": [1]}',
        '{"answer": "x",}',
        '{"answer" "x"}',
        '{"answer": "\\x"}',
        '{"answer": "\\u12g4"}',
        '["x"]',
    ],
)
def test_anything_else_is_invalid(text: str) -> None:
    with pytest.raises(StructuredInvalid):
        unwrap(text)


def test_the_schema_is_strict_and_fits_what_is_read() -> None:
    asked = structured_response_format()["json_schema"]
    assert asked["strict"] is True
    schema = asked["schema"]
    jsonschema.Draft202012Validator.check_schema(schema)
    assert set(schema["required"]) == set(schema["properties"])
    jsonschema.validate({"answer": "x", "confidence": 0.4}, schema)
    assert list(schema["properties"]) == ["answer", "confidence"]


def test_only_a_plain_chat_request_may_be_structured() -> None:
    view = RequestView(CallType.CHAT, "What is the capital of France?")
    assert may_structure(view)
    assert may_structure(replace(view, max_output_tokens=1_000, stream=True))
    for changed in (
        {"json_mode": True},
        {"tools": 1},
        {"images": 1},
        {"attachments": 1},
        {"n": 2},
        {"max_output_tokens": 10},
        {"call_type": CallType.RESPONSES},
        {"call_type": CallType.MESSAGES},
        {"call_type": CallType.COMPLETION},
        {"malformed": "no user turn"},
    ):
        assert not may_structure(replace(view, **changed)), changed  # type: ignore[arg-type]
