"""Which requests take part in the cache and which answers stay: pure rules."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from custom_router.cache.eligible import Ineligible
from custom_router.cacheable import kept_away, least_tier, not_accepted, unfit
from custom_router.causes import Cause
from custom_router.confidence.base import Answer, Expectations, ToolCall
from custom_router.decide import decide
from custom_router.decision import Decision
from custom_router.domains.base import DomainMatch
from custom_router.policy import Caller, Mode, Policy
from custom_router.records.record import DecisionRecord, GateFields, OutcomeFields, Tenant
from custom_router.request import CallType, RequestView
from custom_router.tiers import TIERS, Tier

SHIPPED = Policy.load(Path(__file__).resolve().parents[1] / "routing_policy.yaml")
BODY: dict[str, Any] = {"model": "auto", "messages": [{"role": "user", "content": "How do I boil an egg?"}]}
VIEW = RequestView.from_chat(BODY)
ANSWER = Answer("Eight minutes in boiling water, then into cold water.", "m", "stop")


def decision(served: Tier = Tier.SIMPLE, *causes: Cause, mode: Mode = Mode.ENFORCE) -> Decision:
    made = decide(VIEW, None, Caller(), SHIPPED)
    return replace(made, tier=served, served=served, causes=causes or (Cause.SCORE,), mode=mode)


def record(tier: str = "simple", status: str = "ok", **gate: Any) -> DecisionRecord:
    made = DecisionRecord("r", "", "", "auto", "chat", False, Tenant(), tier=tier)
    made.outcome = OutcomeFields(status)
    made.gate = GateFields(**gate)
    return made


def away(body: dict[str, Any] = BODY, caller: Caller | None = None, **given: Any) -> Ineligible | None:
    kind = given.get("kind", CallType.CHAT)
    view = RequestView.from_body(kind, body)
    return kept_away(view, body, caller or Caller(), given.get("decision", decision()), group=given.get("group", "g"))


def test_an_ordinary_request_takes_part() -> None:
    assert away() is None


@pytest.mark.parametrize("mode", [Mode.SHADOW, Mode.OFF])
def test_only_enforced_decisions_take_part(mode: Mode) -> None:
    assert away(decision=decision(mode=mode)) is Ineligible.MODE


def test_wishes_and_a_missing_group() -> None:
    assert away(caller=Caller(header_cache="bypass")) is Ineligible.ASKED_BYPASS
    assert away(caller=Caller(header_cache="refresh")) is None
    assert away(caller=Caller(header_cache="no-store")) is None
    assert away(group=None) is Ineligible.NO_GROUP


@pytest.mark.parametrize(
    "cause", [Cause.ENGINE_ERROR, Cause.ENCODER_TIMEOUT, Cause.ENCODER_UNAVAILABLE, Cause.CLASSIFIER_ERROR]
)
def test_where_a_domain_may_have_gone_unnoticed_nothing_is_shared(cause: Cause) -> None:
    assert away(decision=decision(Tier.FRONTIER, cause)) is Ineligible.UNDECIDED


@pytest.mark.parametrize(
    "field", ["logprobs", "thinking", "reasoning", "include", "modalities", "audio", "web_search_options", "echo", "x"]
)
def test_fields_that_ask_for_more_than_text_or_are_not_known(field: str) -> None:
    assert away({**BODY, field: True}) is Ineligible.FIELD
    assert away({**BODY, field: None}) is None


def test_an_api_that_remembers_its_answers_takes_part_only_when_told_not_to() -> None:
    body = {"model": "auto", "input": "How do I boil an egg?"}
    assert away(body, kind=CallType.RESPONSES) is Ineligible.STATEFUL
    assert away({**body, "store": True}, kind=CallType.RESPONSES) is Ineligible.STATEFUL
    assert away({**body, "store": False}, kind=CallType.RESPONSES) is None


def test_the_least_tier_is_the_highest_floor() -> None:
    assert least_tier(Caller(), decision(), SHIPPED) is Tier.SIMPLE
    assert least_tier(Caller(min_tier=Tier.MEDIUM), decision(), SHIPPED) is Tier.MEDIUM
    assert least_tier(Caller(min_tier=Tier.MEDIUM, header_tier=Tier.FRONTIER), decision(), SHIPPED) is Tier.FRONTIER
    finance = replace(decision(), domain=DomainMatch("finance", 1.0, "term:tax"))
    assert least_tier(Caller(), finance, SHIPPED) is Tier.FRONTIER


def test_a_stored_answer_is_neither_below_the_decision_nor_above_the_cap() -> None:
    for stored in TIERS:
        for served in TIERS:
            for cap in TIERS:
                refusal = unfit(stored, Caller(max_tier=cap), decision(served))
                if stored.rank < served.rank:
                    assert refusal == "tier_below"
                else:
                    assert (refusal == "tier_above_cap") == (stored.rank > cap.rank)
    over = decision(Tier.FRONTIER, Cause.DOMAIN_RULE, Cause.DOMAIN_OVER_CAP)
    assert unfit(Tier.FRONTIER, Caller(max_tier=Tier.SIMPLE), over) is None


def rejected(made: DecisionRecord, answer: Answer = ANSWER, **given: Any) -> bool:
    expected, caller = given.get("expected", Expectations()), given.get("caller", Caller())
    return not_accepted(made, given.get("view", VIEW), answer, expected, caller, given.get("policy", SHIPPED))


@pytest.mark.parametrize("verdict", ["trust", "review", "none"])
def test_what_the_gate_delivered_stays(verdict: str) -> None:
    assert not rejected(record(verdict=verdict))


def test_what_the_gate_would_have_escalated_goes_unless_the_top_answered() -> None:
    assert rejected(record(verdict="escalate"))
    assert rejected(record("medium", verdict="escalate", escalated_to="medium"))
    assert not rejected(record("frontier", verdict="escalate", escalated_to="frontier"))
    assert not rejected(record("frontier"))


def test_what_was_not_judged_stays_only_where_the_policy_means_it() -> None:
    assert not rejected(record())  # a domain's required tier, say
    assert rejected(record(), caller=Caller(gate=False))
    streaming_off = Policy.parse(SHIPPED_TEXT.replace("streaming: buffer", "streaming: off"))
    streamed = RequestView.from_chat({**BODY, "stream": True})
    assert rejected(record(), view=streamed, policy=streaming_off)
    assert not rejected(record(), policy=streaming_off)
    no_gate = Policy.parse(SHIPPED_TEXT.replace("gate:\n  enabled: true", "gate:\n  enabled: false"))
    assert not rejected(record(), caller=Caller(gate=False), policy=no_gate)


@pytest.mark.parametrize(
    "answer",
    [
        replace(ANSWER, finish_reason="length"),
        replace(ANSWER, finish_reason="content_filter"),
        replace(ANSWER, finish_reason=None),
        replace(ANSWER, text="  "),
        replace(ANSWER, text="I'm sorry, but I can't help with that."),
        replace(ANSWER, text="Yes. " * 200),
        replace(ANSWER, tool_calls=(ToolCall("look", "{}"),)),
    ],
)
def test_faulty_answers_go_whoever_gave_them(answer: Answer) -> None:
    assert rejected(record("frontier"), answer)


def test_an_answer_of_another_form_than_asked_goes() -> None:
    assert rejected(record("frontier"), expected=Expectations(json_schema={}))


@pytest.mark.parametrize("status", ["error", "unknown"])
def test_what_did_not_end_well_goes(status: str) -> None:
    assert rejected(record("frontier", status))


SHIPPED_TEXT = (Path(__file__).resolve().parents[1] / "routing_policy.yaml").read_text(encoding="utf-8")
