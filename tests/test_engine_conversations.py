"""Conversations through the engine: what a turn continues decides its tier, whatever it says by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from custom_router.causes import Cause
from custom_router.classify.base import Scores
from custom_router.decide import decide
from custom_router.decision import Circumstances, Decision
from custom_router.engine import RouterEngine
from custom_router.policy import Caller, Policy
from custom_router.request import CallType, RequestView
from custom_router.tiers import TIERS, Tier

TIERS_YAML = """\
tiers:
  simple: {model: s, threshold: 0.6}
  medium: {model: m, threshold: 0.6}
  frontier: {model: f}
classifier: {kind: random}
"""
CONSTANT = "classifier: {kind: constant, constant: 0.9}\n"
FREE = "conversations: {sticky: false}\n"
Make = Callable[[str], RouterEngine]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[RouterEngine] = []

    def build(more: str = "") -> RouterEngine:
        path = tmp_path / f"policy{len(made)}.yaml"
        given = TIERS_YAML.replace("classifier: {kind: random}\n", "") if "classifier:" in more else TIERS_YAML
        path.write_text(given + more)
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


# ---------------------------------------------------------------- whose floor it is

MONEY = "domains: {finance: {rules: {terms: [mortgage]}}}\n"


@pytest.mark.parametrize("api", [CallType.CHAT, CallType.MESSAGES, CallType.RESPONSES])
async def test_a_templates_examples_tie_no_requests_together(make: Make, api: CallType) -> None:
    engine = make(CONSTANT + MONEY)

    async def classify(text: str, *more: str) -> Decision:
        texts = ("The film was dull.", "negative", text, *more)
        turns = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]
        system = {CallType.MESSAGES: {"system": "Positive or negative?"}}.get(api, {"instructions": "P or n?"})
        return await engine.decide(RequestView.from_body(api, {"messages": turns, "input": turns, **system}))

    for _ in range(2):
        assert (await classify("My mortgage came through!")).tier is Tier.FRONTIER
        for text in ("The soup was cold, the waiter warm, the music loud.", "Great fun."):
            assert (await classify(text)).tier is Tier.SIMPLE
    # A template's request can still be gone on from.
    await engine.decide(chat("a", "b"), tenant="of no matter")
    later = await classify(
        "My mortgage came through!", "positive", "Say why in one whole sentence, please, with a full stop."
    )
    assert later.tier is Tier.FRONTIER


async def test_chats_that_open_alike_are_not_one(make: Make) -> None:
    engine = make(CONSTANT)
    rich = Caller(header_tier=Tier.FRONTIER)
    river = "Name three rivers of France, in a table, with their lengths."
    await engine.decide(chat("Hi"))
    assert (await engine.decide(chat("Hi", "Hello!", "Prove Goldbach's conjecture."), rich)).tier is Tier.FRONTIER
    assert (await engine.decide(chat("Hi", "Hello!", river))).tier is Tier.SIMPLE
    held = await engine.decide(chat("Hi", "Hello!", "Prove Goldbach's conjecture.", "No.", river))
    assert (held.tier, held.set_by) == (Tier.FRONTIER, Cause.CONVERSATION_FLOOR)


def tool_steps(api: CallType, *results: str) -> RequestView:
    """A question and so many calls of a tool, in an API's own shape."""
    question: dict[str, Any] = {
        "role": "user",
        "content": "Which of the two rivers is the longer one, and by how much?",
    }
    turns = [question]
    for result in results:
        turns += {
            CallType.CHAT: [
                {"role": "assistant", "content": None, "tool_calls": []},
                {"role": "tool", "tool_call_id": "c", "content": result},
            ],
            CallType.MESSAGES: [
                {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "look", "input": {}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": result}]},
            ],
            CallType.RESPONSES: [
                {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c", "output": result},
            ],
        }[api]
    return RequestView.from_body(api, {"messages": turns, "input": turns})


@pytest.mark.parametrize("api", [CallType.CHAT, CallType.MESSAGES, CallType.RESPONSES])
async def test_a_step_of_a_tool_loop_never_drops_below_the_one_before(make: Make, api: CallType) -> None:
    engine = make(CONSTANT)
    assert (await engine.decide(tool_steps(api), tenant="t")).tier is Tier.SIMPLE
    assert (await engine.decide(tool_steps(api, "a"), Caller(header_tier=Tier.MEDIUM), tenant="t")).tier is Tier.MEDIUM
    assert (await engine.decide(tool_steps(api, "a", "b"), tenant="t")).tier is Tier.MEDIUM
    assert (await engine.decide(tool_steps(api, "a"), tenant="another")).tier is Tier.SIMPLE


# ---------------------------------------------------------------- turns that only the provider has


def resuming(given: Any, **body: Any) -> RequestView:
    return RequestView.from_responses({"input": given, "previous_response_id": "resp_x", **body})


@pytest.mark.parametrize("policy", ["", FREE])
@pytest.mark.parametrize("resumed", TIERS)
@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ("Name three rivers of France, in a table, with their lengths.", Cause.CONVERSATION_FLOOR),
        ("Yes, please.", Cause.CONVERSATION_KEPT),
        ([{"type": "function_call_output", "call_id": "c", "output": "a page"}], Cause.CONVERSATION_KEPT),
        ([{"type": "mcp_approval_response", "approval_request_id": "m", "approve": True}], Cause.CONVERSATION_KEPT),
    ],
)
async def test_a_resumed_conversation_stays_in_the_tier_that_answered(
    make: Make, policy: str, resumed: Tier, given: Any, cause: Cause
) -> None:
    engine = make(CONSTANT + policy)
    decision = await engine.decide(resuming(given), resumed=resumed)
    assert decision.tier is resumed
    assert decision.set_by is (cause if cause is Cause.CONVERSATION_KEPT or resumed is not Tier.SIMPLE else Cause.SCORE)


@pytest.mark.parametrize("where", [{}, {"previous_response_id": None, "conversation": {"id": "conv_x"}}])
@pytest.mark.parametrize("given", ["Hello", [{"type": "function_call_output", "call_id": "c", "output": "a page"}]])
async def test_a_conversation_that_nobody_knows_goes_up(make: Make, where: dict[str, Any], given: Any) -> None:
    view = resuming(given, **where)
    decision = await make(CONSTANT).decide(view)
    assert (decision.tier, decision.causes) == (Tier.FRONTIER, (Cause.CONVERSATION_UNKNOWN,))
    capped = await make(CONSTANT).decide(view, Caller(max_tier=Tier.MEDIUM))
    assert (capped.tier, capped.causes) == (Tier.MEDIUM, (Cause.SCORE, Cause.CONVERSATION_UNKNOWN, Cause.CALLER_CAP))
    medium = CONSTANT.replace("{kind", "{on_failure: medium, kind")
    decision = await make(medium).decide(view)
    assert (decision.tier, decision.causes) == (Tier.MEDIUM, (Cause.SCORE, Cause.CONVERSATION_UNKNOWN))


async def test_shadow_judges_a_resumed_turn_by_itself(make: Make) -> None:
    # What it served is its default tier, whatever it would have decided.
    decision = await make(CONSTANT + "mode: shadow\n").decide(resuming("Hello"), resumed=Tier.FRONTIER)
    assert (decision.tier, decision.served) == (Tier.SIMPLE, Tier.FRONTIER)


async def test_a_resumed_turn_may_still_rise(make: Make) -> None:
    decision = await make(CONSTANT + MONEY).decide(resuming("And my mortgage?"), resumed=Tier.SIMPLE)
    assert (decision.tier, decision.set_by) == (Tier.FRONTIER, Cause.DOMAIN_RULE)


async def test_a_loop_after_a_resumed_turn_keeps_its_own_tier(make: Make) -> None:
    engine = make(CONSTANT + MONEY)
    question = {"role": "user", "content": "And what of my mortgage, in the second year and after?"}
    steps = [
        {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "a page"},
    ]
    await engine.decide(resuming([question]), resumed=Tier.SIMPLE)
    step = await engine.decide(resuming([question, *steps]), resumed=Tier.SIMPLE)
    assert (step.tier, step.causes[0]) == (Tier.FRONTIER, Cause.CONVERSATION_KEPT)


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
