"""The ring of the last requests: bounded, in memory, and without the texts that nobody reads again."""

from __future__ import annotations

from typing import Any

from custom_router.classify.base import Scores
from custom_router.decide import decide
from custom_router.decision import Basis, Circumstances, Decision
from custom_router.policy import Caller, Policy
from custom_router.recent_requests import RecentRequests
from custom_router.request import RequestView
from custom_router.tiers import Tier
from custom_router.turns import stand

POLICY = Policy.parse(
    "tiers:\n  simple: {model: a, threshold: 0.5}\n  medium: {model: b, threshold: 0.5}\n  frontier: {model: c}\n"
)
SCORES = Scores({Tier.SIMPLE: 0.9, Tier.MEDIUM: 0.9, Tier.FRONTIER: 1.0}, 0.0, "given/1")


def decided(*contents: str, **body: Any) -> Decision:
    from dataclasses import replace

    roles = ["user" if number % 2 == 0 else "assistant" for number in range(len(contents))]
    messages = [{"role": role, "content": text} for role, text in zip(roles, contents, strict=True)]
    view = RequestView.from_chat({"messages": messages, **body})
    decision = decide(view, SCORES, Caller(), POLICY)
    return replace(decision, basis=Basis(view, stand(view).judged, view.searched, Circumstances()))


def test_the_oldest_leave_by_number_and_by_size() -> None:
    ring = RecentRequests(kept=3, characters=1_000)
    for number in range(5):
        ring.add(str(number), decided("hello"), Caller(), hit=False)
    assert [request.request_id for request in ring.newest_first()] == ["4", "3", "2"]
    ring.add("long", decided("x" * 450), Caller(), hit=False)  # read by the rules and by the models
    assert next(request.request_id for request in ring.newest_first()) == "long"
    assert sum(request.characters for request in ring.newest_first()) <= 1_000
    ring.add("longer than all", decided("x" * 5_000), Caller(), hit=False)
    assert ring.newest_first() == []


def test_what_is_kept_of_a_huge_request_is_bounded() -> None:
    ring = RecentRequests()
    ring.add("huge", decided(*["secret " * 100_000] * 21, "and now?" * 10_000), Caller(), hit=False)
    (kept,) = ring.newest_first()
    assert kept.characters < 60_000
    assert kept.basis.view.text == kept.basis.view.system == ""
    assert kept.basis.view.history == kept.basis.judged.history == ()


def test_a_short_turn_is_kept_as_it_is_read() -> None:
    decision = decided("Translate to German: good morning, dear colleagues, how are you", "Guten Morgen", "In French?")
    assert decision.basis is not None
    ring = RecentRequests()
    ring.add("short", decision, Caller(), hit=False)
    assert ring.newest_first()[0].basis.judged.bounded == decision.basis.judged.bounded


def test_what_was_not_looked_at_is_not_kept() -> None:
    ring = RecentRequests()
    ring.add("off", decide(RequestView.from_chat({}), None, Caller(), POLICY), Caller(), hit=False)
    assert ring.newest_first() == []
