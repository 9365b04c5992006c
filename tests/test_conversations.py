"""A conversation's tier is remembered upward only, for a while, in bounded memory."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from custom_router.conversations import Conversations, turn_key
from custom_router.tiers import TIERS, Tier


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def remembered(capacity: int = 100, ttl_s: float = 60.0) -> tuple[Conversations, Clock]:
    clock = Clock()
    return Conversations(capacity=capacity, ttl_s=ttl_s, timer=clock), clock


@given(st.lists(st.sampled_from(TIERS), min_size=1, max_size=8))
def test_the_floor_is_the_highest_tier_reached(tiers: list[Tier]) -> None:
    conversations, _ = remembered()
    for tier in tiers:
        conversations.reach("c", tier)
    assert conversations.floor("c") is max(tiers, key=lambda tier: tier.rank)
    assert conversations.floor("another") is None


def test_a_turn_renews_the_time_and_silence_ends_it() -> None:
    conversations, clock = remembered(ttl_s=60.0)
    conversations.reach("c", Tier.FRONTIER)
    for _ in range(5):
        clock.now += 50.0
        conversations.reach("c", Tier.SIMPLE)
    assert conversations.floor("c") is Tier.FRONTIER
    clock.now += 61.0
    assert conversations.floor("c") is None
    assert len(conversations) == 0


def test_looking_does_not_renew_the_time() -> None:
    conversations, clock = remembered(ttl_s=60.0)
    conversations.reach("c", Tier.MEDIUM)
    clock.now += 50.0
    assert conversations.floor("c") is Tier.MEDIUM
    clock.now += 11.0
    assert conversations.floor("c") is None


def test_memory_is_bounded_and_the_longest_idle_goes_first() -> None:
    conversations, clock = remembered(capacity=3)
    for name in "abc":
        clock.now += 1.0
        conversations.reach(name, Tier.MEDIUM)
    conversations.reach("a", Tier.SIMPLE)
    conversations.reach("d", Tier.SIMPLE)
    assert len(conversations) == 3
    assert conversations.floor("b") is None
    assert conversations.floor("a") is Tier.MEDIUM


def test_threads_never_lower_a_floor() -> None:
    conversations, _ = remembered(capacity=4)
    conversations.reach("c", Tier.MEDIUM)

    def turn(tier: Tier) -> None:
        for _ in range(300):
            conversations.reach("c", tier)

    threads = [threading.Thread(target=turn, args=(tier,)) for tier in TIERS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert conversations.floor("c") is Tier.FRONTIER


def test_a_turns_tier_is_the_last_it_was_given_and_its_own() -> None:
    conversations, clock = remembered(capacity=2)
    turn, other = turn_key("c", "Why?"), turn_key("c", "Why not?")
    assert len({turn, other, turn_key("d", "Why?"), turn_key("cW", "hy?")}) == 4
    conversations.settle(turn, Tier.FRONTIER)
    conversations.settle(turn, Tier.SIMPLE)
    assert (conversations.settled(turn), conversations.settled(other)) == (Tier.SIMPLE, None)
    for number in range(5):
        conversations.settle(turn_key("c", str(number)), Tier.MEDIUM)
    assert conversations.settled(turn) is None, "the memory is bounded"
    clock.now += 61.0
    assert conversations.settled(turn_key("c", "4")) is None
