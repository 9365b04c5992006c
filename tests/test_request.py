"""Four API shapes, hostile bodies and the views that come of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custom_router.request import ENCODED_CHARS, TEXT_LIMIT, CallType, RequestView, head_and_tail
from custom_router.signals import Signal


def chat(*messages: dict[str, Any], **body: Any) -> RequestView:
    return RequestView.from_chat({"messages": list(messages), **body})


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


# ---------------------------------------------------------------- the four shapes


def test_chat_separates_system_history_and_question() -> None:
    view = chat(
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "No lists."}]},
        user("What is a heap?"),
        {"role": "assistant", "content": "A tree."},
        user("And a stack?"),
        stream=True,
        n=3,
        max_completion_tokens=50,
        max_tokens=999,
    )
    assert view.malformed is None
    assert (view.system, view.text) == ("Be brief.\nNo lists.", "And a stack?")
    assert [(t.role, t.text) for t in view.history] == [("user", "What is a heap?"), ("assistant", "A tree.")]
    assert (view.turns, view.stream, view.n, view.max_output_tokens) == (1, True, 3, 50)


def test_chat_counts_images_files_and_text_parts() -> None:
    view = chat(
        user(
            [
                {"type": "text", "text": "Compare"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                {"type": "file", "file": {"file_id": "f"}},
                {"type": "input_audio", "input_audio": {}},
                {"type": "text", "text": "these"},
            ]
        )
    )
    assert (view.text, view.images, view.attachments) == ("Compare\nthese", 1, 2)
    assert Signal.ATTACHMENT in view.signals
    assert view.input_tokens >= 1_000


def test_an_agent_loop_in_chat_keeps_the_users_question() -> None:
    view = chat(
        user("Weather in Oslo?"),
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "function": {"name": "weather"}}]},
        {"role": "tool", "tool_call_id": "1", "content": "4 degrees"},
        tools=[{"type": "function", "function": {"name": "weather"}}],
    )
    assert (view.text, view.turns, view.tools) == ("Weather in Oslo?", 1, 1)
    assert Signal.TOOLS in view.signals


def test_an_agent_loop_in_messages_keeps_the_users_question() -> None:
    """Anthropic sends tool results in the user's name; they are not what the user asked."""
    view = RequestView.from_messages(
        {
            "system": [{"type": "text", "text": "You are a guide.", "cache_control": {"type": "ephemeral"}}],
            "messages": [
                user("Weather in Oslo?"),
                {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "weather", "input": {}}]},
                user(
                    [
                        {
                            "type": "tool_result",
                            "tool_use_id": "1",
                            "content": [
                                {"type": "text", "text": "def four(): return 4"},
                                {"type": "image", "source": {"type": "base64", "data": "AA"}},
                            ],
                        }
                    ]
                ),
            ],
            "max_tokens": 100,
        }
    )
    assert view.malformed is None
    assert (view.system, view.text, view.turns, view.images) == ("You are a guide.", "Weather in Oslo?", 1, 1)
    assert [turn.role for turn in view.history] == ["assistant", "tool"]
    assert Signal.CODE not in view.signals


def test_a_tool_result_with_words_beside_it_is_a_user_turn() -> None:
    view = RequestView.from_messages(
        {"messages": [user([{"type": "tool_result", "content": "42"}, {"type": "text", "text": "Is that right?"}])]}
    )
    assert view.text == "Is that right?"


def test_an_agent_loop_in_responses_keeps_the_users_question() -> None:
    """Items without a role are the model's calls and their results, not the user's words."""
    view = RequestView.from_responses(
        {
            "instructions": "Be kind.",
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": "Weather in Oslo?"}]},
                {"type": "reasoning", "id": "r", "summary": []},
                {"type": "function_call", "call_id": "1", "name": "weather", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "1", "output": "import os; 4 degrees;"},
                {"type": "computer_call_output", "call_id": "2", "output": {"type": "computer_screenshot"}},
            ],
        }
    )
    assert view.malformed is None
    assert (view.system, view.text, view.images) == ("Be kind.", "Weather in Oslo?", 1)
    assert view.turns > 0, "a conversation under way"
    assert [turn.role for turn in view.history] == ["assistant", "assistant", "tool", "tool"]


def test_responses_takes_text_messages_without_a_type_and_json_mode() -> None:
    view = RequestView.from_responses({"input": "Hello", "max_output_tokens": 7})
    assert (view.text, view.max_output_tokens, view.malformed) == ("Hello", 7, None)
    items = {"input": [{"content": "Hello"}], "text": {"format": {"type": "json_schema", "schema": {}}}}
    view = RequestView.from_responses(items)
    assert (view.text, view.json_mode) == ("Hello", True)
    assert Signal.JSON in view.signals


def test_completion_joins_prompts_and_refuses_token_ids() -> None:
    assert RequestView.from_completion({"prompt": "Say this"}).text == "Say this"
    assert RequestView.from_completion({"prompt": ["a", "b"]}).text == "a\nb"
    for prompt in ([1, 2, 3], [[1, 2]], [], None, 7, {"a": 1}, ["a", 1]):
        assert RequestView.from_completion({"prompt": prompt}).malformed, prompt


def test_tool_choice_none_means_no_tools() -> None:
    tools = [{"type": "function"}]
    assert chat(user("x"), tools=tools, tool_choice="none").tools == 0
    assert chat(user("x"), functions=tools).tools == 1


# ---------------------------------------------------------------- malformed bodies


@pytest.mark.parametrize("call_type", list(CallType))
@pytest.mark.parametrize("body", [None, [], "text", 7, 1.5, True, b"bytes", {}])
def test_a_body_that_is_no_request_is_malformed(call_type: CallType, body: object) -> None:
    view = RequestView.from_body(call_type, body)
    assert view.malformed
    assert (view.text, view.call_type) == ("", call_type)


@pytest.mark.parametrize(
    "messages",
    [None, "hi", {}, [], [None], ["hi"], [[]], [{}], [{"role": "assistant", "content": "x"}], [{"role": 3}]],
)
def test_messages_without_a_user_turn_are_malformed(messages: object) -> None:
    assert RequestView.from_chat({"messages": messages}).malformed


@pytest.mark.parametrize("odd", [[], {}, [[1]], {"a": []}, 1e308, -1, "yes", None, True])
def test_odd_values_in_every_field_are_survived(odd: Any) -> None:
    message = {"role": "user", "content": [{"type": odd, "text": odd}, {"type": "text", "text": odd}, odd]}
    fields = ("stream", "n", "tools", "functions", "tool_choice", "response_format", "text", "max_tokens")
    body = {"messages": [message, {"role": odd, "content": odd}], **dict.fromkeys(fields, odd)}
    view = RequestView.from_chat(body)
    assert view.stream is (odd is True)
    assert view.n == 1
    assert view.tools == (len(odd) if isinstance(odd, list) else 0)
    assert view.max_output_tokens is None


def test_deep_nesting_does_not_exhaust_the_stack() -> None:
    content: Any = "deep"
    for _ in range(20_000):
        content = [{"type": "tool_result", "content": content}]
    for call_type in (CallType.CHAT, CallType.MESSAGES):
        view = RequestView.from_body(call_type, {"messages": [user("hi"), user(content)]})
        assert view.text == "hi"


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
_kinds = st.sampled_from(
    ["text", "input_text", "image_url", "image", "file", "tool_result", "message", "function_call_output"]
)
_roles = st.sampled_from(["user", "assistant", "system", "developer", "tool"])
_part = st.fixed_dictionaries({}, optional={"type": _kinds | _json, "text": _json, "content": _json})
_item = st.fixed_dictionaries(
    {},
    optional={"role": _roles | _json, "content": st.lists(_part | _json, max_size=4) | _json, "type": _kinds | _json},
)
_fields = ("messages", "input", "prompt", "system", "instructions", "stream", "n", "tools", "functions", "tool_choice",
           "response_format", "text", "max_tokens", "max_output_tokens")  # fmt: skip
_body = st.fixed_dictionaries({}, optional={name: st.lists(_item | _json, max_size=5) | _json for name in _fields})


@settings(max_examples=200, deadline=None)
@given(call_type=st.sampled_from(CallType), body=_body | _json)
def test_any_json_gives_a_sane_view(call_type: CallType, body: object) -> None:
    view = RequestView.from_body(call_type, body)
    texts = [view.text, view.system, view.bounded, view.searched, *(t.text for t in view.history)]
    for text in texts:
        text.encode("utf-8")  # raises for a lone surrogate
    assert len(view.bounded) <= ENCODED_CHARS
    assert min(view.images, view.attachments, view.tools, view.input_tokens, view.turns) >= 0
    assert view.n >= 1
    assert isinstance(view.stream, bool)
    if view.malformed:
        assert view.text == ""
    assert RequestView.from_body(call_type, body) == view


# ---------------------------------------------------------------- text: surrogates, NULs, size


def test_lone_surrogates_survive_nowhere() -> None:
    bad = json.loads('"a\\ud800b\\udfffc"')
    view = chat({"role": "system", "content": bad}, user([{"type": "text", "text": bad}]), user(bad))
    for text in (view.text, view.system, view.history[0].text, view.bounded, view.searched):
        assert text.encode("utf-8").decode("utf-8") == text
        assert text.startswith("a")
        assert text.endswith("c")
    whole = json.loads('"\\ud83d\\ude00"')
    assert chat(user(whole)).text == "😀"


def test_nul_and_control_characters_are_kept_as_text() -> None:
    assert chat(user("a\x00b\x1b[31m")).text == "a\x00b\x1b[31m"


def test_a_very_long_prompt_is_counted_whole_and_seen_bounded() -> None:
    view = chat({"role": "system", "content": "s" * 500_000}, *[user(f"{i} " + "word " * 100_000) for i in range(12)])
    assert view.input_tokens > 1_500_000
    assert len(view.text) <= TEXT_LIMIT
    assert len(view.system) <= TEXT_LIMIT
    assert len(view.bounded) <= ENCODED_CHARS
    assert len(view.searched) <= 10 * 8_001


def test_head_and_tail_keeps_both_ends() -> None:
    text = "".join(chr(ord("a") + i % 26) for i in range(1_000))
    cut = head_and_tail(text, 100)
    assert len(cut) == 100
    head, tail = cut.split("\n")
    assert text.startswith(head)
    assert text.endswith(tail)
    assert head_and_tail(text, 1_000) == text


@given(st.text(max_size=300), st.integers(3, 200))
def test_head_and_tail_never_exceeds_its_limit(text: str, limit: int) -> None:
    assert len(head_and_tail(text, limit)) <= max(limit, 0)


def test_a_short_follow_up_is_encoded_with_the_turn_before_it() -> None:
    answer = {"role": "assistant", "content": "Voilà."}
    view = chat(user("Translate the contract clause below into German."), answer, user("and in French?"))
    assert view.bounded == "Translate the contract clause below into German.\nand in French?"
    alone = "Explain in a few paragraphs how a diesel engine works."
    assert chat(user("Hello"), answer, user(alone)).bounded == alone
    assert chat(user("hi")).bounded == "hi"
