"""What is read of an answer, whole and streamed: a kind that cannot be judged is no empty answer."""

from __future__ import annotations

from typing import Any

import pytest
from litellm.types.utils import ModelResponse, ModelResponseStream

from custom_router.confidence.base import Answer, Expectations, Failure, ToolCall
from custom_router.confidence.text import failures
from custom_router.litellm_adapter.answers import read_answer, read_expectations
from custom_router.litellm_adapter.held import AnswerSoFar
from custom_router.request import CallType, RequestView

CUSTOM = {"index": 0, "id": "c", "type": "custom", "custom": {"name": "sql", "input": "select 1"}}
FUNCTION = {"name": "locate", "arguments": '{"city": "Paris"}'}
AUDIO = {"id": "a", "data": "UklGRg==", "expires_at": 1, "transcript": "Paris"}


def chat(message: dict[str, Any], *, streamed: bool) -> Answer:
    choice = {"index": 0, "finish_reason": "stop"}
    if not streamed:
        whole = ModelResponse(choices=[{**choice, "message": {"role": "assistant", "content": None, **message}}])
        read = read_answer(CallType.CHAT, whole, "m")
        assert read is not None
        return read
    so_far = AnswerSoFar(CallType.CHAT)
    so_far.feed(ModelResponseStream(choices=[{**choice, "delta": message}]))
    assert so_far.pieces == 1
    return so_far.answer("m")


def responses(item: dict[str, Any], *, streamed: bool) -> Answer:
    if not streamed:
        read = read_answer(CallType.RESPONSES, {"output": [{"type": "reasoning"}, item]}, "m")
        assert read is not None
        return read
    so_far = AnswerSoFar(CallType.RESPONSES)
    so_far.feed({"type": "response.output_item.done", "item": {"type": "reasoning"}})
    so_far.feed({"type": "response.output_item.done", "item": item})
    return so_far.answer("m")


def messages(block: dict[str, Any], *, streamed: bool) -> Answer:
    if not streamed:
        read = read_answer(CallType.MESSAGES, {"content": [{"type": "thinking"}, block]}, "m")
        assert read is not None
        return read
    so_far = AnswerSoFar(CallType.MESSAGES)
    for index, held in enumerate(({"type": "thinking"}, block)):
        so_far.feed({"type": "content_block_start", "index": index, "content_block": held})
    return so_far.answer("m")


def faults(answer: Answer) -> tuple[Failure, ...]:
    return failures(RequestView(CallType.CHAT, "Which city?", tools=1), answer, Expectations())


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("message", [{"tool_calls": [CUSTOM]}, {"audio": AUDIO}])
def test_a_custom_call_and_sound_are_an_answer(message: dict[str, Any], streamed: bool) -> None:
    answer = chat(message, streamed=streamed)
    assert (answer.unread, answer.tool_calls, faults(answer)) == (True, (), ())


@pytest.mark.parametrize("streamed", [False, True])
def test_the_older_function_call_is_read(streamed: bool) -> None:
    answer = chat({"function_call": FUNCTION}, streamed=streamed)
    assert answer.tool_calls == (ToolCall("locate", '{"city": "Paris"}'),)
    assert (answer.unread, faults(answer)) == (False, ())
    schema = {"type": "object", "properties": {"city": {"type": "integer"}}}
    expected = read_expectations(CallType.CHAT, {"functions": [{"name": "locate", "parameters": schema}]})
    assert failures(RequestView(CallType.CHAT, "x", tools=1), answer, expected) == (Failure.INVALID_TOOL_CALL,)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    "kind", ["custom_tool_call", "mcp_approval_request", "local_shell_call", "image_generation_call", "of_tomorrow"]
)
def test_an_output_item_that_is_no_text_is_an_answer(kind: str, streamed: bool) -> None:
    answer = responses({"type": kind, "id": "i"}, streamed=streamed)
    assert (answer.unread, faults(answer)) == (True, ())


@pytest.mark.parametrize("streamed", [False, True])
def test_steps_to_an_answer_are_none(streamed: bool) -> None:
    for answer in (
        responses({"type": "web_search_call"}, streamed=streamed),
        responses({"type": "message", "content": [{"type": "output_text", "text": ""}]}, streamed=streamed),
        messages({"type": "server_tool_use"}, streamed=streamed),
        messages({"type": "web_search_tool_result"}, streamed=streamed),
        chat({"content": " "}, streamed=streamed),
    ):
        assert (answer.unread, faults(answer)) == (False, (Failure.EMPTY,))


@pytest.mark.parametrize("streamed", [False, True])
def test_a_block_of_a_kind_that_is_not_known_is_an_answer(streamed: bool) -> None:
    answer = messages({"type": "container_upload"}, streamed=streamed)
    assert (answer.unread, faults(answer)) == (True, ())
