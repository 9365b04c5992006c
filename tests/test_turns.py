"""Which turns are judged with the conversation, and what is judged in their place."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from custom_router.request import RequestView
from custom_router.turns import TurnKind, is_confirmation, stand
from tests.docs.documents import ROOT

HARD = "Prove that there are infinitely many primes congruent to three modulo four, step by step."
PHRASES = yaml.safe_load((ROOT / "custom_router/artifacts/short_turns.yaml").read_text(encoding="utf-8"))
CONFIRMATIONS = [phrase for phrases in PHRASES["confirmations"].values() for phrase in phrases]


def chat(*texts: str, **body: Any) -> RequestView:
    """Turns of user and assistant in alternation."""
    messages = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]
    return RequestView.from_chat({"messages": messages, **body})


def looping(*results: str, first: str = HARD) -> RequestView:
    """A tool loop after one user turn, in OpenAI's shape."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": first}]
    for i, result in enumerate(results):
        call = {"id": f"c{i}", "type": "function", "function": {"name": "run", "arguments": "{}"}}
        messages += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"c{i}", "content": result},
        ]
    return RequestView.from_chat({"messages": messages, "tools": [{"type": "function", "function": {"name": "run"}}]})


@pytest.mark.parametrize("phrase", CONFIRMATIONS)
def test_every_listed_confirmation_continues_the_turn_before(phrase: str) -> None:
    for text in (phrase, f" {phrase.capitalize()}! ", f"{phrase}, {phrase}."):
        standing = stand(chat(HARD, "Shall I?", text))
        if len(text) <= 40:
            assert standing.kind is TurnKind.CONFIRMATION, text
            assert standing.judged == chat(HARD)


@pytest.mark.parametrize("text", ["👍", "ok 👍🏽", "👌👌", "好的，继续！", "Yes! Thanks… go on", "Ja, bitte; weiter"])
def test_marks_and_pauses_do_not_hide_a_confirmation(text: str) -> None:
    assert is_confirmation(text)


@pytest.mark.parametrize(
    "text", ["Yes, and prove it for modulo five too.", "no idea what you mean by lemma", "", "...", "next.js", "ok?x=1"]
)
def test_other_texts_are_no_confirmations(text: str) -> None:
    assert not is_confirmation(text)


def test_an_opening_confirmation_has_nothing_to_continue() -> None:
    assert stand(chat("ok")).kind is TurnKind.NEW
    assert stand(chat("ok", "What?", "yes")).kind is TurnKind.NEW


def test_confirmations_of_confirmations_reach_the_last_question() -> None:
    standing = stand(chat("Hello, who are you?", "A bot.", HARD, "Shall I?", "yes", "Really?", "go on"))
    assert standing.kind is TurnKind.CONFIRMATION
    assert standing.judged.text == HARD
    assert standing.continues == standing.judged == chat("Hello, who are you?", "A bot.", HARD)


@pytest.mark.parametrize(
    "text", ["now make it shorter", "why?", "And in French?", "Kürzer, bitte, und ohne das Beispiel"]
)
def test_a_follow_up_is_judged_with_what_it_builds_on(text: str) -> None:
    standing = stand(chat(HARD, "So.", text))
    assert standing.kind is TurnKind.FOLLOW_UP
    assert standing.judged.text == f"{HARD}\n{text}"
    assert standing.continues == chat(HARD)


def test_follow_ups_of_follow_ups_build_on_the_question() -> None:
    standing = stand(chat(HARD, "So.", "make it shorter", "So.", "ok", "?", "and simpler"))
    assert standing.kind is TurnKind.FOLLOW_UP
    assert standing.judged.text == f"{HARD}\nand simpler"


def test_a_confirmation_after_a_follow_up_continues_the_follow_up() -> None:
    follow_up = stand(chat(HARD, "So.", "make it shorter"))
    confirmed = stand(chat(HARD, "So.", "make it shorter", "Like this?", "yes please"))
    assert confirmed.kind is TurnKind.CONFIRMATION
    assert confirmed.judged.text == follow_up.judged.text


def test_a_question_that_stands_alone_is_new() -> None:
    other = "Write a limerick about a giraffe who goes to town on a pair of roller skates."
    view = chat(HARD, "So.", other)
    assert stand(view).kind is TurnKind.NEW
    assert stand(view).judged == view


def test_every_step_of_a_tool_loop_is_judged_as_its_first() -> None:
    steps = [stand(looping(*["<html>" * 500] * count)) for count in range(1, 5)]
    assert {s.kind for s in steps} == {TurnKind.TOOL_LOOP}
    assert len({s.judged for s in steps}) == 1
    first = looping()
    assert stand(first).kind is TurnKind.NEW
    assert steps[0].judged == first


def test_tool_loops_of_the_other_apis() -> None:
    responses = RequestView.from_responses(
        {
            "input": [
                {"role": "user", "content": HARD},
                {"type": "function_call", "call_id": "c", "name": "run", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c", "output": "done"},
            ]
        }
    )
    messages = RequestView.from_messages(
        {
            "messages": [
                {"role": "user", "content": HARD},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "run", "input": {}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "done"}]},
            ]
        }
    )
    for view in (responses, messages):
        standing = stand(view)
        assert (standing.kind, standing.judged.text) == (TurnKind.TOOL_LOOP, HARD)


def test_a_tool_result_with_a_question_of_the_users_own_is_that_question() -> None:
    content = [{"type": "tool_result", "tool_use_id": "c", "content": "done"}, {"type": "text", "text": HARD}]
    view = RequestView.from_messages(
        {"messages": [{"role": "user", "content": "Hi"}, {"role": "user", "content": content}]}
    )
    assert stand(view).kind is TurnKind.NEW


def test_a_loop_begun_by_a_confirmation_continues_the_question() -> None:
    messages = [
        {"role": "user", "content": HARD},
        {"role": "assistant", "content": "Shall I run it?"},
        {"role": "user", "content": "yes"},
        {"role": "assistant", "content": None},
        {"role": "tool", "tool_call_id": "c", "content": "done"},
    ]
    standing = stand(RequestView.from_chat({"messages": messages}))
    assert (standing.kind, standing.judged) == (TurnKind.TOOL_LOOP, chat(HARD))


def test_a_long_conversation_of_short_turns_is_quickly_read() -> None:
    """Its turns lean on one another all the way back. In a process with a limit on processor time."""
    program = """
import resource
from custom_router.request import RequestView
from custom_router.turns import stand
roles = ("user", "assistant")
view = RequestView.from_chat({"messages": [{"role": roles[i % 2], "content": "and why?"} for i in range(40_001)]})
spent = resource.getrusage(resource.RUSAGE_SELF).ru_utime
resource.setrlimit(resource.RLIMIT_CPU, (int(spent) + 3, int(spent) + 3))
for _ in range(20):
    stand(view)
print("done")
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert run.stdout.strip() == "done", run.stderr or run.returncode


ROLE = st.sampled_from(["user", "assistant", "tool", "system", "function"])
TEXT = st.one_of(st.text(max_size=60), st.sampled_from(["yes", "why?", "ok", HARD]))


@settings(deadline=None)
@given(st.lists(st.tuples(ROLE, TEXT), max_size=12))
def test_any_conversation_stands_somewhere(turns: list[tuple[str, str]]) -> None:
    view = RequestView.from_chat({"messages": [{"role": role, "content": text} for role, text in turns]})
    standing = stand(view)
    assert standing.judged.loop == 0 or standing.judged == view
    if standing.kind is TurnKind.NEW:
        assert standing.continues is None
        assert standing.judged == view
    assert len(standing.judged.history) <= len(view.history)
