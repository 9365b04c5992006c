"""The gate at work on scripted answers: what is delivered, what the record says, what is never asked."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from custom_router.attempts import Attempt
from custom_router.causes import Cause
from custom_router.classify.base import Scores
from custom_router.confidence.base import Answer, Expectations
from custom_router.decide import decide
from custom_router.decision import Capability
from custom_router.encoder.fake import FakeEncoder
from custom_router.encoder.worker import EncoderWorker
from custom_router.escalation import Surroundings, hopeless, next_tier, reachable
from custom_router.gating import Calibrations, Gatekeeper, is_gated
from custom_router.lifecycle import GateTicket
from custom_router.policy import Caller, Mode, Policy
from custom_router.records.cost import Price
from custom_router.records.record import DecisionRecord, Tenant
from custom_router.request import CallType, RequestView
from custom_router.tiers import TIERS, Tier

VIEW = RequestView(CallType.CHAT, "Which city?", input_tokens=20)
SURE, UNSURE = math.log(0.9999), math.log(0.2)
PRICES = {Tier.SIMPLE: Price(1e-7, 1e-7), Tier.MEDIUM: Price(1e-6, 1e-6), Tier.FRONTIER: Price(1e-5, 1e-5)}


def policy(**gate: Any) -> Policy:
    groups: dict[str, Any] = {t.value: {"model": f"g-{t.value}", "threshold": 0.5} for t in TIERS}
    return Policy.parse(yaml.safe_dump({"tiers": groups, "gate": gate}))


def ticket(caller: Caller | None = None, view: RequestView = VIEW, **gate: Any) -> GateTicket:
    made, who = policy(**gate), caller or Caller()
    scores = Scores({Tier.SIMPLE: 1.0, Tier.MEDIUM: 1.0, Tier.FRONTIER: 1.0})
    return GateTicket(view, made, who, decide(view, scores, who, made), Expectations())


def record() -> DecisionRecord:
    return DecisionRecord("id", "", "", "auto", "chat", False, Tenant(), tier="simple", causes=["score"])


def answer(text: str, confidence: float | None) -> Answer:
    return Answer(text, "m", "stop", confidence=confidence, confidence_kind="answer_logprob")


@dataclass
class Script:
    """An `Upstream` that answers from a table; an exception is raised, a float waits so many seconds."""

    answers: dict[Tier, Any] = field(default_factory=dict)
    check: Any = None
    asked: list[tuple[Tier, bool]] = field(default_factory=list)
    checked: int = 0
    left_usd: float | None = None

    async def ask(self, tier: Tier, last: bool) -> Attempt:
        self.asked.append((tier, last))
        given = self.answers[tier]
        if isinstance(given, float):
            await asyncio.sleep(given)
        if isinstance(given, BaseException):
            raise given
        return Attempt(tier, f"payload-{tier.value}", given)

    async def remaining_usd(self) -> float | None:
        return self.left_usd

    async def self_check(self, attempt: Attempt) -> float | None:
        self.checked += 1
        if isinstance(self.check, BaseException):
            raise self.check
        return self.check


@pytest.fixture
def keeper() -> Gatekeeper:
    return Gatekeeper(EncoderWorker(FakeEncoder, lambda encoder: None), Calibrations())


async def settle(
    keeper: Gatekeeper, asked: GateTicket, first: Answer | None, upstream: Script, **around: Any
) -> tuple[Attempt, DecisionRecord]:
    made = record()
    held = Attempt(Tier.SIMPLE, "payload-simple", first, around.pop("broken", None))
    upstream.left_usd = around.pop("remaining_usd", None)
    surroundings = Surroundings(**{"prices": PRICES, **around})
    return await keeper.settle(asked, made, held, upstream, surroundings), made


async def test_a_sure_answer_is_delivered_and_nobody_else_asked(keeper: Gatekeeper) -> None:
    script = Script()
    got, made = await settle(keeper, ticket(), answer("Paris", SURE), script)
    assert (got.payload, script.asked, made.causes) == ("payload-simple", [], ["score"])
    assert (made.gate.verdict, made.gate.escalated_to) == ("trust", None)
    assert made.gate.confidence is not None
    assert made.gate.confidence >= 0.85


async def test_an_unsure_answer_is_replaced_by_the_frontier(keeper: Gatekeeper) -> None:
    script = Script({Tier.FRONTIER: answer("Lyon", None)})
    got, made = await settle(keeper, ticket(), answer("Paris", UNSURE), script)
    assert (got.payload, script.asked) == ("payload-frontier", [(Tier.FRONTIER, True)])
    assert (made.gate.verdict, made.gate.escalated_to) == ("escalate", "frontier")
    assert made.causes == ["score", "gate_low_confidence"]


@pytest.mark.parametrize(("medium", "ends"), [(("Paris", SURE), "medium"), (("Lyon", UNSURE), "frontier")])
async def test_in_a_chain_the_medium_tier_settles_it_or_not(
    keeper: Gatekeeper, medium: tuple[str, float], ends: str
) -> None:
    script = Script({Tier.MEDIUM: answer(*medium), Tier.FRONTIER: answer("Rome", None)})
    got, made = await settle(keeper, ticket(escalate_to="next"), answer("Paris", UNSURE), script)
    assert (got.tier.value, made.gate.escalated_to) == (ends, ends)
    assert script.asked[0] == (Tier.MEDIUM, False)
    assert "agreement_1" in made.gate.signals


@pytest.mark.parametrize(
    ("gate", "caller", "around", "cause"),
    [
        ({}, Caller(max_tier=Tier.SIMPLE), {}, Cause.GATE_OVER_CAP),
        ({}, Caller(), {"remaining_usd": 1e-9}, Cause.GATE_OVER_BUDGET),
        ({"answer_value_usd": 1e-9}, Caller(), {}, Cause.GATE_NOT_WORTH),
    ],
)
async def test_what_may_not_be_spent_is_not_asked_for(
    keeper: Gatekeeper, gate: dict[str, Any], caller: Caller, around: dict[str, Any], cause: Cause
) -> None:
    script = Script()
    got, made = await settle(keeper, ticket(caller, **gate), answer("Paris", UNSURE), script, **around)
    assert (got.payload, script.asked, made.gate.escalated_to) == ("payload-simple", [], None)
    assert made.causes[-1] == cause.value


@pytest.mark.parametrize(
    ("given_by_frontier", "cause"),
    [(RuntimeError("down"), Cause.GATE_ESCALATION_FAILED), (30.0, Cause.GATE_ESCALATION_TIMEOUT)],
)
async def test_an_escalation_that_fails_delivers_the_cheap_answer(
    keeper: Gatekeeper, given_by_frontier: Any, cause: Cause
) -> None:
    script = Script({Tier.FRONTIER: given_by_frontier})
    got, made = await settle(keeper, ticket(deadline_s=0.05), answer("Paris", UNSURE), script)
    assert (got.payload, made.gate.escalated_to, made.causes[-1]) == ("payload-simple", None, cause.value)


@pytest.mark.parametrize("poor", ["", "I'm sorry, but I can't help with that request."])
@pytest.mark.parametrize("frontier", [RuntimeError("down"), 30.0])
async def test_a_chain_that_ends_badly_delivers_the_best_answer_without_faults(
    keeper: Gatekeeper, poor: str, frontier: Any
) -> None:
    script = Script({Tier.MEDIUM: answer(poor, SURE), Tier.FRONTIER: frontier})
    asked = ticket(escalate_to="next", deadline_s=0.2)
    got, made = await settle(keeper, asked, answer("Paris", UNSURE), script)
    assert (got.payload, made.gate.escalated_to) == ("payload-simple", None)
    assert made.gate.confidence is not None
    assert made.gate.confidence < 0.7, "of the answer that is delivered"
    assert [tier for tier, _ in script.asked] == [Tier.MEDIUM, Tier.FRONTIER]

    script = Script({Tier.MEDIUM: answer("Lyon", UNSURE), Tier.FRONTIER: frontier})
    got, made = await settle(keeper, asked, answer("Paris", UNSURE), script)
    assert (got.payload, made.gate.escalated_to) == ("payload-medium", "medium")

    script = Script({Tier.MEDIUM: answer(poor, SURE), Tier.FRONTIER: frontier})
    got, made = await settle(keeper, asked, None, script, broken=ConnectionError("cut"))
    assert (got.payload, made.gate.escalated_to) == ("payload-medium", "medium"), "better than none"


@pytest.mark.parametrize(
    ("caller", "around", "rate"),
    [
        (Caller(), {}, 1.0),
        (Caller(max_tier=Tier.SIMPLE), {}, None),
        (Caller(), {"remaining_usd": 1e-9}, 0.0),
    ],
)
async def test_what_is_counted_is_what_a_better_answer_was_asked_for(
    keeper: Gatekeeper, caller: Caller, around: dict[str, Any], rate: float | None
) -> None:
    script = Script({Tier.FRONTIER: answer("Lyon", None)})
    for _ in range(32):
        await settle(keeper, ticket(caller), answer("Paris", UNSURE), script, **around)
    assert keeper.rates.rate(None, Tier.SIMPLE) == (rate if rate is None else pytest.approx(rate))
    assert keeper.rates.rate("another team", Tier.SIMPLE) is None


async def test_a_stream_that_broke_is_replaced_or_raises_what_broke_it(keeper: Gatekeeper) -> None:
    broken = ConnectionError("cut")
    got, made = await settle(keeper, ticket(), None, Script({Tier.FRONTIER: answer("Rome", None)}), broken=broken)
    assert (got.tier, made.causes[-1]) == (Tier.FRONTIER, "gate_failure")
    with pytest.raises(ConnectionError):
        await settle(keeper, ticket(), None, Script({Tier.FRONTIER: RuntimeError()}), broken=broken)


async def test_without_a_signal_the_policy_decides(keeper: Gatekeeper) -> None:
    _, made = await settle(keeper, ticket(), answer("Paris", None), Script())
    assert (made.gate.verdict, made.gate.confidence) == ("none", None)
    script = Script({Tier.FRONTIER: answer("Rome", None)})
    _, made = await settle(keeper, ticket(no_signal="escalate"), answer("Paris", None), script)
    assert made.causes[-1] == "gate_no_signal"


@pytest.mark.parametrize(("check", "verdict"), [(SURE, "trust"), (UNSURE, "escalate"), (None, "none")])
async def test_a_self_check_stands_in_for_missing_log_probabilities(
    keeper: Gatekeeper, check: float | None, verdict: str
) -> None:
    script = Script({Tier.FRONTIER: answer("Rome", None)}, check=check)
    _, made = await settle(keeper, ticket(signals=["text", "self_check"]), answer("Paris", None), script)
    assert (made.gate.verdict, script.checked) == (verdict, 1)


async def test_a_self_check_is_not_asked_for_nothing_and_may_fail(keeper: Gatekeeper) -> None:
    asked = ticket(signals=["logprobs", "text", "self_check"])
    script = Script()
    await settle(keeper, asked, answer("Paris", SURE), script)
    assert script.checked == 0, "its confidence is known"
    await settle(keeper, ticket(), answer("Paris", None), script)
    assert script.checked == 0, "the policy does not want it"
    _, made = await settle(keeper, asked, answer("Paris", None), Script(check=RuntimeError("down")))
    assert made.gate.verdict == "none"


async def test_a_beginning_is_neither_checked_nor_compared(keeper: Gatekeeper) -> None:
    asked = ticket(signals=["logprobs", "text", "self_check"], escalate_to="next", no_signal="escalate")
    script = Script({Tier.MEDIUM: answer("Paris it is", SURE)}, check=SURE)
    beginning = Attempt(Tier.SIMPLE, "p", Answer("Par", "m"), partial=True)
    made = record()
    got = await keeper.settle(asked, made, beginning, script, Surroundings(prices=PRICES))
    assert (got.tier, script.checked) == (Tier.MEDIUM, 0)
    assert "agreement_1" not in made.gate.signals


async def test_a_defect_in_a_signal_delivers_the_answer(keeper: Gatekeeper, monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("custom_router.gating.assess", defect)
    got, made = await settle(keeper, ticket(), answer("Paris", UNSURE), Script())
    assert (got.payload, made.gate.verdict) == ("payload-simple", "none")


async def test_a_client_that_leaves_cancels_the_escalation(keeper: Gatekeeper) -> None:
    made = record()
    first = Attempt(Tier.SIMPLE, "p", answer("Paris", UNSURE))
    work = asyncio.ensure_future(
        keeper.settle(ticket(), made, first, Script({Tier.FRONTIER: 30.0}), Surroundings(prices=PRICES))
    )
    await asyncio.sleep(0.05)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert made.causes[-1] == "client_gone"


@given(
    st.sampled_from(TIERS),
    st.sampled_from(TIERS),
    st.sampled_from(["next", "frontier"]),
    st.integers(0, 2),
    st.fixed_dictionaries({t: st.builds(Capability, st.booleans(), st.none() | st.integers(1, 50)) for t in TIERS}),
)
def test_an_escalation_goes_up_never_past_the_cap_nor_to_who_cannot_take_it(
    cap: Tier, tier: Tier, to: str, images: int, able: dict[Tier, Capability]
) -> None:
    view = RequestView(CallType.CHAT, "x", images=images, input_tokens=20)
    asked = ticket(Caller(max_tier=cap), view, escalate_to=to)
    around = Surroundings(PRICES, able)
    target = next_tier(asked, tier, around)
    higher = [t for t in reachable(asked, around) if t.rank > tier.rank]
    assert (target is None) is (not higher)
    if target is not None:
        assert tier.rank < target.rank <= cap.rank
        assert able[target].vision or not images
        assert target is (higher[0] if to == "next" else higher[-1])


def test_a_tier_is_given_up_only_when_trying_it_costs_more() -> None:
    document = policy().document
    assert hopeless(lambda tier: None, document, PRICES) == frozenset()
    assert hopeless(lambda tier: 0.5, document, PRICES) == frozenset()
    assert hopeless(lambda tier: 0.95, document, PRICES) == frozenset({Tier.MEDIUM})
    assert hopeless(lambda tier: 1.0, document, PRICES) == frozenset({Tier.SIMPLE, Tier.MEDIUM})
    assert hopeless(lambda tier: 1.0, document, {}) == frozenset()


def test_who_is_judged() -> None:
    made = ticket()

    def gated(view: RequestView = VIEW, caller: Caller | None = None, **gate: Any) -> bool:
        asked = ticket(caller, view, **gate)
        return is_gated(view, asked.caller, asked.decision, asked.policy)

    assert gated()
    assert not gated(enabled=False)
    assert gated(enabled=False, overrides=[{"team": "t", "enabled": True}]), "decided answer by answer"
    assert not gated(caller=Caller(gate=False))
    assert not gated(caller=Caller(min_tier=Tier.FRONTIER))
    assert not gated(RequestView(CallType.CHAT, "x", n=2))
    assert not gated(RequestView(CallType.CHAT, "x", stream=True), streaming="off")
    assert not gated(RequestView(CallType.CHAT, "", malformed="no user turn"))
    watched = replace(made.policy, document=made.policy.document.model_copy(update={"mode": Mode.SHADOW}))
    assert not is_gated(VIEW, Caller(), decide(VIEW, None, Caller(), watched), watched)
    bypassed = replace(made.decision, gate_bypass=True)
    assert not is_gated(VIEW, Caller(), bypassed, made.policy)
