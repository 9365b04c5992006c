"""The list of keys and teams to be mended: one place each, bounded, gone when mended."""

from __future__ import annotations

from custom_router.caller_problems import CAPACITY, CallerProblems
from custom_router.policy import Caller
from custom_router.records.record import Tenant

BOT = Tenant("t1", "red", "bot", "hash-of-bot")
BAD = Caller(problems=("team: cache is 'x'", "key: max_tier is 'y'", "key: gate is 'z'"))


def test_each_owner_has_its_own_problems_and_a_mend() -> None:
    held = CallerProblems()
    for _ in range(3):
        held.note(BOT, BAD)
    told = {str(entry["who"]): entry for entry in held.report()}
    assert list(told) == ["team red", "key bot"]
    assert told["team red"]["problems"] == ["cache is 'x'"]
    assert told["key bot"]["problems"] == ["max_tier is 'y'", "gate is 'z'"]
    assert all("metadata.router" in str(entry["mend"]) for entry in told.values())


def test_what_is_mended_leaves_with_its_next_request() -> None:
    held = CallerProblems()
    held.note(BOT, BAD)
    held.note(BOT, Caller(problems=("team: cache is 'x'",)))
    assert [entry["who"] for entry in held.report()] == ["team red"]
    held.note(Tenant("t2", "blue", "other", "hash"), Caller())
    assert [entry["who"] for entry in held.report()] == ["team red"], "another's good settings mend nothing here"
    held.note(BOT, Caller())
    assert held.report() == []


def test_it_is_bounded_and_never_shows_a_whole_hash() -> None:
    held = CallerProblems()
    for number in range(CAPACITY + 50):
        held.note(Tenant(key_hash=f"{number:064}"), Caller(problems=("key: gate is 'z'",)))
    held.note(Tenant(), Caller(problems=("key: gate is 'z'",)))
    told = held.report()
    assert len(told) == CAPACITY
    assert max(len(str(entry["who"])) for entry in told) <= len("key (unnamed)")
