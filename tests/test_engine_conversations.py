"""Conversations through the engine: what a turn continues decides its tier, whatever it says by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from custom_router.causes import Cause
from custom_router.classify.base import Scores
from custom_router.decide import decide
from custom_router.decision import Circumstances
from custom_router.engine import RouterEngine
from custom_router.policy import Caller, Policy
from custom_router.request import RequestView
from custom_router.tiers import TIERS, Tier

TIERS_YAML = """\
tiers:
  simple: {model: s, threshold: 0.6}
  medium: {model: m, threshold: 0.6}
  frontier: {model: f}
classifier: {kind: random}
"""
FREE = "conversations: {sticky: false}\n"
Make = Callable[[str], RouterEngine]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[RouterEngine] = []

    def build(more: str = "") -> RouterEngine:
        path = tmp_path / f"policy{len(made)}.yaml"
        path.write_text(TIERS_YAML + more)
        made.append(RouterEngine.from_policy(path))
        return made[-1]

    yield build
    for engine in made:
        engine.close()


def chat(*texts: str) -> RequestView:
    messages = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]
    return RequestView.from_chat({"messages": messages})


def loop(question: str, *results: str) -> RequestView:
    messages: list[dict[str, Any]] = [{"role": "user", "content": question}]
    for result in results:
        messages += [{"role": "assistant", "content": None}, {"role": "tool", "tool_call_id": "c", "content": result}]
    return RequestView.from_chat({"messages": messages})


async def questions(engine: RouterEngine) -> dict[Tier, str]:
    """A question that the random classifier sends to each tier."""
    found: dict[Tier, str] = {}
    for number in range(200):
        text = f"Write a ballad of exactly {number} verses for the lighthouse keeper's daughter."
        found.setdefault((await engine.decide(chat(text), tenant=f"probe {number}")).tier, text)
    assert set(found) == set(TIERS)
    return found


@pytest.mark.parametrize("policy", ["", FREE])
@pytest.mark.parametrize("tier", TIERS)
async def test_tool_loops_and_confirmations_keep_the_tier(make: Make, policy: str, tier: Tier) -> None:
    engine = make(policy)
    question = (await questions(engine))[tier]
    assert (await engine.decide(chat(question), tenant="t")).tier is tier
    for step in range(1, 6):
        decision = await engine.decide(loop(question, *["<li>page</li>" * 50] * step), tenant="t")
        assert (decision.tier, decision.set_by) == (tier, Cause.CONVERSATION_KEPT)
    turns = [question, "Shall I go on?"]
    for word in ("yes", "ok, go on", "Ja, bitte!", "はい", "¡Sí!"):
        decision = await engine.decide(chat(*turns, word), tenant="t")
        assert (decision.tier, decision.set_by) == (tier, Cause.CONVERSATION_KEPT), word
        turns += [word, "And so."]


@pytest.mark.parametrize("tier", TIERS)
async def test_a_worker_that_does_not_know_the_conversation_judges_the_turn_continued(make: Make, tier: Tier) -> None:
    engine = make(FREE)
    question = (await questions(engine))[tier]
    for number, view in enumerate((chat(question, "Shall I?", "yes"), loop(question, "page"))):
        decision = await engine.decide(view, tenant=f"another {number}")
        assert (decision.tier, decision.set_by) == (tier, Cause.SCORE)


async def test_a_follow_up_never_drops_below_what_it_builds_on(make: Make) -> None:
    engine = make(FREE)
    asked = await questions(engine)
    for text in ("now make it shorter", "why?", "and in French?", "simpler, please"):
        await engine.decide(chat(asked[Tier.FRONTIER]), tenant=text)
        decision = await engine.decide(chat(asked[Tier.FRONTIER], "So.", text), tenant=text)
        assert decision.tier is Tier.FRONTIER
    # It may rise: what is asked now can be harder than what it builds on.
    tiers = set()
    for number in range(40):
        await engine.decide(chat(asked[Tier.SIMPLE]), tenant=f"n{number}")
        text = f"now make it {number} verses longer"
        tiers.add((await engine.decide(chat(asked[Tier.SIMPLE], "So.", text), tenant=f"n{number}")).tier)
    assert len(tiers) > 1


async def test_another_key_in_the_same_conversation_is_another_conversation(make: Make) -> None:
    engine = make(FREE)
    question = (await questions(engine))[Tier.SIMPLE]
    await engine.decide(chat(question), Caller(min_tier=Tier.FRONTIER), tenant="rich")
    view = chat(question, "Shall I?", "yes")
    assert (await engine.decide(view, tenant="rich")).tier is Tier.FRONTIER
    assert (await engine.decide(view, tenant="poor")).tier is Tier.SIMPLE


async def test_floors_hold_in_the_middle_of_a_loop(make: Make) -> None:
    engine = make(
        "long_context: {tokens: 500, tier: medium}\ndomains: {finance: {rules: {terms: [mortgage]}}}\n" + FREE
    )
    question = (await questions(engine))[Tier.SIMPLE]
    await engine.decide(chat(question), tenant="t")
    longer = await engine.decide(loop(question, "page " * 1_000), tenant="t")
    assert (longer.tier, longer.set_by) == (Tier.MEDIUM, Cause.SIGNAL_LONG_CONTEXT)
    await engine.decide(chat(question), tenant="u")
    money = await engine.decide(chat(question, "Shall I?", "What is a mortgage?", "A loan.", "yes"), tenant="u")
    assert money.tier is Tier.FRONTIER


# ---------------------------------------------------------------- decide


def policy(on_failure: str = "embedding") -> Policy:
    vllm = f"classifier: {{kind: hybrid, vllm: {{url: 'http://v', on_failure: {on_failure}}}}}\n"
    return Policy.parse(TIERS_YAML.replace("classifier: {kind: random}\n", vllm))


def scores(simple: float, medium: float) -> Scores:
    return Scores({Tier.SIMPLE: simple, Tier.MEDIUM: medium, Tier.FRONTIER: 1.0}, source="x")


@pytest.mark.parametrize(
    ("p_ok", "embedding", "up"),
    [
        ((0.9, 0.9), Tier.SIMPLE, Tier.MEDIUM),
        ((0.1, 0.9), Tier.MEDIUM, Tier.FRONTIER),
        ((0.1, 0.1), Tier.FRONTIER, Tier.FRONTIER),
    ],
)
def test_an_opinion_that_was_not_heard_is_in_the_causes_and_may_raise(
    p_ok: tuple[float, float], embedding: Tier, up: Tier
) -> None:
    around = Circumstances(unheard=Cause.VLLM_TIMEOUT)
    for on_failure, tier in (("embedding", embedding), ("up", up)):
        decision = decide(chat("hi"), scores(*p_ok), Caller(), policy(on_failure), around)
        assert decision.tier is tier
        assert decision.causes == (Cause.SCORE, Cause.VLLM_TIMEOUT)


def test_a_tier_found_hopeless_in_the_middle_of_a_loop_is_left_to_the_gate() -> None:
    hopeless = Circumstances(hopeless=frozenset({Tier.SIMPLE}))
    assert decide(chat("hi"), scores(0.9, 0.9), Caller(), policy(), hopeless).tier is Tier.MEDIUM
    kept = Circumstances(kept=Tier.SIMPLE, hopeless=frozenset({Tier.SIMPLE}))
    assert decide(chat("hi"), scores(0.9, 0.9), Caller(), policy(), kept).tier is Tier.SIMPLE


def test_a_stage_that_fails_in_the_middle_of_a_loop_changes_nothing() -> None:
    around = Circumstances(kept=Tier.SIMPLE, failures=(Cause.ENCODER_TIMEOUT,))
    decision = decide(chat("hi"), None, Caller(), policy(), around)
    assert (decision.tier, decision.causes) == (Tier.SIMPLE, (Cause.ENCODER_TIMEOUT, Cause.CONVERSATION_KEPT))
