"""A turn is known by everything that was asked up to it; its tier is remembered for a while, in bounded memory."""

from __future__ import annotations

import threading
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from custom_router.conversations import Conversations, place
from custom_router.request import CallType, RequestView
from custom_router.tiers import TIERS, Tier


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def remembered(capacity: int = 100, ttl_s: float = 60.0) -> tuple[Conversations, Clock]:
    clock = Clock()
    return Conversations(capacity=capacity, ttl_s=ttl_s, timer=clock), clock


def chat(*messages: dict[str, Any]) -> RequestView:
    return RequestView.from_chat({"messages": list(messages)})


def said(*texts: str, system: str = "") -> RequestView:
    """Turns of user and assistant in alternation."""
    turns = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]
    return chat({"role": "system", "content": system}, *turns)


# ---------------------------------------------------------------- which turn is which

_words = st.text(st.characters(exclude_categories=["Cs", "Z"]), min_size=1, max_size=30).filter(
    lambda s: s == s.strip()
)


@given(system=_words, asked=st.lists(_words, min_size=1, max_size=5), answer=_words, tenant=_words)
def test_every_earlier_turn_is_found_latest_first(system: str, asked: list[str], answer: str, tenant: str) -> None:
    so_far: list[str] = []
    turns: list[bytes] = []
    for text in asked:
        so_far.append(text)
        here = place(said(*so_far, system=system), tenant)
        assert here.answered == tuple(reversed(turns))
        turns.append(here.turn)
        so_far.append(answer)
    assert len(set(turns)) == len(turns)


@given(st.lists(st.tuples(_words, _words, _words, _words), min_size=2, max_size=2))
def test_tenant_system_and_every_user_turn_tell_turns_apart(four: list[tuple[str, str, str, str]]) -> None:
    names = [place(said(one, "So.", two, system=system), tenant).turn for tenant, system, one, two in four]
    assert (names[0] == names[1]) == (four[0] == four[1])


def test_texts_cannot_be_shifted_from_one_part_to_the_next() -> None:
    views = [
        (said("c", system="ab"), "t"),
        (said("bc", system="a"), "t"),
        (said("b", "So.", "c", system="a"), "t"),
        (said("c", system="b"), "ta"),
    ]
    assert len({place(view, tenant).turn for view, tenant in views}) == len(views)


def test_a_tool_loop_finds_the_turn_that_it_is_part_of_in_every_api() -> None:
    question = {"role": "user", "content": "Why?"}
    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    asked = {api: RequestView.from_body(api, {"messages": [question], "input": [question]}) for api in CallType}
    steps: dict[CallType, dict[str, Any]] = {
        CallType.CHAT: {
            "messages": [
                question,
                {"role": "assistant", "content": None, "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "c", "content": "page"},
            ]
        },
        CallType.MESSAGES: {
            "messages": [
                question,
                {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "look", "input": {}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "page"}]},
            ]
        },
        CallType.RESPONSES: {
            "input": [
                question,
                {"type": "reasoning", "summary": []},
                {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c", "output": "page"},
            ]
        },
    }
    for api, body in steps.items():
        first, step = place(asked[api], "t"), place(RequestView.from_body(api, body), "t")
        assert (first.answered, step.answered, step.turn) == ((), (first.turn,), first.turn), api


def test_a_turn_asked_again_or_edited_is_held_to_those_before_it_only() -> None:
    first, second = place(said("one"), "t").turn, place(said("one", "So.", "two"), "t").turn
    assert place(said("one", "So.", "another two"), "t").answered == (first,)
    assert place(said("one", "So.", "two"), "t").answered == (first,)
    assert second not in place(said("another one", "So.", "two", "So.", "three"), "t").answered


def test_user_turns_in_a_row_were_one_request() -> None:
    row = chat({"role": "user", "content": "one"}, {"role": "user", "content": "two"})
    later = chat(
        {"role": "user", "content": "one"},
        {"role": "user", "content": "two"},
        {"role": "assistant", "content": "So."},
        {"role": "user", "content": "three"},
    )
    assert place(later, "t").answered == (place(row, "t").turn,)


def test_what_is_resumed_is_part_of_the_turn() -> None:
    views = [
        RequestView.from_responses({"input": "Why?", **more})
        for more in (
            {},
            {"previous_response_id": "resp_1"},
            {"previous_response_id": "resp_2"},
            {"conversation": "conv_1"},
            {"conversation": {"id": "conv_2"}},
        )
    ]
    assert len({place(view, "t").turn for view in views}) == len(views)


# ---------------------------------------------------------------- what is remembered of them


def test_the_floor_is_the_latest_known_turns() -> None:
    conversations, _ = remembered()
    assert conversations.floor([b"c", b"b", b"a"]) is None
    conversations.reach(b"a", Tier.FRONTIER)
    assert conversations.floor([b"c", b"b", b"a"]) is Tier.FRONTIER
    conversations.reach(b"b", Tier.MEDIUM)
    assert conversations.floor([b"c", b"b", b"a"]) is Tier.MEDIUM
    assert conversations.floor([b"a"]) is Tier.FRONTIER
    assert conversations.floor([]) is None


def test_a_turn_asked_again_has_the_tier_of_the_last_time() -> None:
    conversations, _ = remembered()
    conversations.reach(b"a", Tier.FRONTIER)
    conversations.reach(b"a", Tier.SIMPLE)
    assert conversations.floor([b"a"]) is Tier.SIMPLE


def test_a_turn_is_remembered_for_its_time_and_looking_does_not_renew_it() -> None:
    conversations, clock = remembered(ttl_s=60.0)
    conversations.reach(b"a", Tier.MEDIUM)
    clock.now += 50.0
    assert conversations.floor([b"a"]) is Tier.MEDIUM
    conversations.reach(b"b", Tier.MEDIUM)
    clock.now += 11.0
    assert conversations.floor([b"a"]) is None
    assert conversations.floor([b"b"]) is Tier.MEDIUM
    clock.now += 61.0
    assert len(conversations) == 0


def test_memory_is_bounded_and_the_longest_idle_goes_first() -> None:
    conversations, clock = remembered(capacity=3)
    for name in (b"a", b"b", b"c"):
        clock.now += 1.0
        conversations.reach(name, Tier.MEDIUM)
    conversations.reach(b"a", Tier.SIMPLE)
    conversations.reach(b"d", Tier.SIMPLE)
    assert len(conversations) == 3
    assert conversations.floor([b"b"]) is None
    assert conversations.floor([b"a"]) is Tier.SIMPLE


def test_threads_may_share_the_memory() -> None:
    conversations, _ = remembered(capacity=4)

    def turns(tier: Tier) -> None:
        for number in range(300):
            conversations.reach(bytes([number % 8]), tier)
            conversations.floor([b"x", bytes([number % 8])])

    threads = [threading.Thread(target=turns, args=(tier,)) for tier in TIERS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(conversations) <= 4


def test_what_answered_a_turn_is_the_last_that_did() -> None:
    conversations, clock = remembered(capacity=2)
    conversations.settle(b"turn", Tier.FRONTIER)
    conversations.settle(b"turn", Tier.SIMPLE)
    assert (conversations.settled(b"turn"), conversations.settled(b"other")) == (Tier.SIMPLE, None)
    for number in range(5):
        conversations.settle(bytes([number]), Tier.MEDIUM)
    assert conversations.settled(b"turn") is None, "the memory is bounded"
    clock.now += 61.0
    assert conversations.settled(bytes([4])) is None
