"""Lines of `tier-router route`: what is a question, what is a bad line, and what any text comes out as."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_router.cli.lines import BadLine, Question, bad_line, read_line


def test_a_prompt_is_the_last_user_turn() -> None:
    question = read_line(b'{"id": "a", "prompt": "What is 2+2?", "label": "ignored"}')
    assert isinstance(question, Question)
    assert (question.id, question.view.text, question.view.malformed) == ("a", "What is 2+2?", None)


def test_messages_win_over_a_prompt() -> None:
    messages = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"}]
    question = read_line(json.dumps({"id": 7, "prompt": "other", "messages": messages}).encode())
    assert isinstance(question, Question)
    assert (question.id, question.view.text, question.view.system) == (7, "hello", "be brief")


@pytest.mark.parametrize(
    ("raw", "id_", "said"),
    [
        (b"not json", None, "not JSON"),
        (b"\xff\xfe\xfd", None, "not JSON"),
        (b"[" * 100_000, None, "nested too deeply"),
        (b'{"id": 1, "prompt": NaN}', None, "NaN"),
        (b"[1]", None, "a list"),
        (b"null", None, "null"),
        (b'{"prompt": "x"}', None, "no id"),
        (b'{"id": null, "prompt": "x"}', None, "id must be"),
        (b'{"id": true, "prompt": "x"}', None, "id must be"),
        (b'{"id": 1e999, "prompt": "x"}', None, "id must be"),
        (b'{"id": {}, "prompt": "x"}', None, "id must be"),
        (b'{"id": 1}', 1, "neither"),
        (b'{"id": 1, "prompt": null}', 1, "null, not a text"),
        (b'{"id": 1, "prompt": ["x"]}', 1, "a list, not a text"),
        (b'{"id": 1, "messages": "x"}', 1, "a text, not a list"),
    ],
)
def test_bad_lines(raw: bytes, id_: object, said: str) -> None:
    bad = read_line(raw)
    assert isinstance(bad, BadLine)
    assert bad.id == id_
    assert said in bad.error
    assert json.loads(bad_line(bad)) == {"id": id_, "error": bad.error}


@pytest.mark.parametrize("messages", [[], [1], [{"role": "assistant", "content": "x"}], [{"role": "user"}]])
def test_strange_messages_are_questions_still(messages: list[object]) -> None:
    assert isinstance(read_line(json.dumps({"id": 1, "messages": messages}).encode()), Question)


@given(prompt=st.text(st.characters(codec=None), max_size=50), id_=st.text(st.characters(codec=None), max_size=10))
def test_any_text_is_a_question_lone_surrogates_included(prompt: str, id_: str) -> None:
    question = read_line(json.dumps({"id": id_, "prompt": prompt}).encode("ascii"))
    assert isinstance(question, Question)
    assert question.id == id_
    assert json.loads(bad_line(BadLine(id_, prompt))) == {"id": id_, "error": prompt}
