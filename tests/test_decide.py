"""The decision as a pure function: what must hold whatever the request, scores, caller and policy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custom_router.causes import MEANING, Cause
from custom_router.classify.base import Scores
from custom_router.decide import decide
from custom_router.decision import Capability, Circumstances, Decision
from custom_router.domains.base import DomainMatch
from custom_router.domains.recognise import strictest
from custom_router.policy import CacheScope, Caller, Mode, Policy
from custom_router.request import CallType, RequestView
from custom_router.signals import Signal
from custom_router.tiers import TIERS, Tier, higher, lower

TRUSTED = ("term:loan", "pattern:1", "timeout", "model", "caller")


def make_policy(**changes: Any) -> Policy:
    """A policy with a domain for each tier, changed at the top level."""
    base = {
        "tiers": {
            "simple": {"model": "s", "threshold": 0.6},
            "medium": {"model": "m", "threshold": 0.6},
            "frontier": {"model": "f"},
        },
        "domains": {
            f"needs-{tier}": {"tier": tier, "cache": "off" if tier == "frontier" else "team"} for tier in TIERS
        },
    }
    source = Policy.safe("test")
    return replace(source, document=type(source.document).model_validate(base | changes), version="v")


def scores(simple: float, medium: float = 0.0, ood: float = 0.0) -> Scores:
    return Scores({Tier.SIMPLE: simple, Tier.MEDIUM: medium, Tier.FRONTIER: 1.0}, ood, "test")


VIEW = RequestView(CallType.CHAT, "hello", input_tokens=10)
EASY, HARD = scores(0.9, 0.9), scores(0.1, 0.1)

# ---------------------------------------------------------------- strategies

tiers = st.sampled_from(TIERS)
unit = st.floats(0, 1)
capability = st.builds(Capability, vision=st.booleans(), max_input_tokens=st.none() | st.integers(1, 50_000))
views = st.builds(
    RequestView,
    call_type=st.sampled_from(CallType),
    text=st.text(max_size=5),
    images=st.integers(0, 2),
    input_tokens=st.integers(0, 60_000),
    max_output_tokens=st.none() | st.integers(1, 60_000),
    signals=st.frozensets(st.sampled_from(Signal)),
    malformed=st.sampled_from([None, None, None, "messages is not a list"]),
)
some_scores = st.none() | st.builds(scores, unit | st.just(float("nan")), unit, ood=unit)
callers = st.builds(
    Caller,
    max_tier=tiers,
    min_tier=tiers,
    cache=st.sampled_from(CacheScope),
    gate=st.booleans(),
    header_tier=st.none() | tiers,
    causes=st.sampled_from([(), (Cause.CALLER_POLICY_MALFORMED,)]),
).map(lambda c: replace(c, min_tier=lower(c.min_tier, c.max_tier)))
domain = st.none() | st.builds(
    DomainMatch,
    name=st.sampled_from([*(f"needs-{t}" for t in TIERS), "since removed"]),
    score=unit,
    rule=st.sampled_from([*TRUSTED, "header"]),
)
surroundings = st.builds(
    Circumstances,
    capabilities=st.dictionaries(tiers, capability),
    floor=st.none() | tiers,
    domain=domain,
    failures=st.sampled_from([(), (), (Cause.ENCODER_TIMEOUT,), (Cause.CLASSIFIER_ERROR,)]),
)
policies = st.builds(
    lambda mode, default, simple, medium, signals, over_cap, sticky, failure, long, ood: make_policy(
        mode=mode,
        default_tier=default,
        tiers={
            "simple": {"model": "s", "threshold": simple},
            "medium": {"model": "m", "threshold": medium},
            "frontier": {"model": "f"},
        },
        signals=signals,
        callers={"domain_over_cap": over_cap},
        conversations={"sticky": sticky},
        classifier={"on_failure": failure, "out_of_distribution": {"limit": ood}},
        long_context={"tokens": long},
    ),
    st.sampled_from(Mode),
    tiers,
    unit,
    unit,
    st.dictionaries(st.sampled_from(Signal), tiers),
    st.booleans(),
    st.booleans(),
    tiers,
    st.integers(1, 60_000),
    unit,
)
situation = st.tuples(views, some_scores, callers, policies, surroundings)


def lifted(caller: Caller, policy: Policy, around: Circumstances) -> Tier | None:
    """The tier up to which a domain lifts this caller's cap, by the rules of DESIGN: never for a header."""
    found, document = around.domain, policy.document
    if found is None or found.rule not in TRUSTED or found.name not in document.domains:
        return None
    tier = document.domains[found.name].tier
    wins = document.callers.domain_over_cap and document.mode is not Mode.OFF
    return tier if wins and tier.rank > caller.max_tier.rank else None


def fits(view: RequestView, around: Circumstances, tier: Tier) -> bool:
    known = around.capabilities.get(tier, Capability())
    room = known.max_input_tokens
    needed = view.input_tokens + (view.max_output_tokens or 0)
    return (known.vision or not view.images) and (room is None or needed <= room)


# ---------------------------------------------------------------- properties


@settings(max_examples=150, deadline=None)
@given(situation)
def test_a_decision_is_pure_and_explains_itself(
    given_: tuple[RequestView, Scores | None, Caller, Policy, Circumstances],
) -> None:
    view, score, caller, policy, around = given_
    decision = decide(view, score, caller, policy, around)
    again = decide(view, score, caller, policy, around)
    assert repr(decision) == repr(again)
    assert all(cause in MEANING for cause in decision.causes)
    assert len(set(decision.causes)) == len(decision.causes)
    assert set(caller.causes) <= set(decision.causes)
    if policy.document.mode is not Mode.SHADOW:
        assert decision.served is decision.tier
    if decision.tier is not Tier.SIMPLE:
        assert decision.causes, "a dearer tier always has a reason"


@settings(max_examples=150, deadline=None)
@given(situation)
def test_the_cap_holds_except_for_a_domain_the_operator_found(
    given_: tuple[RequestView, Scores | None, Caller, Policy, Circumstances],
) -> None:
    view, score, caller, policy, around = given_
    decision = decide(view, score, caller, policy, around)
    ceiling = lifted(caller, policy, around)
    assert decision.tier.rank <= (ceiling or caller.max_tier).rank
    if policy.document.mode is Mode.SHADOW:
        assert decision.served.rank <= caller.max_tier.rank
    assert (decision.tier.rank > caller.max_tier.rank) == (Cause.DOMAIN_OVER_CAP in decision.causes)


@settings(max_examples=150, deadline=None)
@given(situation)
def test_every_floor_holds_up_to_the_cap(
    given_: tuple[RequestView, Scores | None, Caller, Policy, Circumstances],
) -> None:
    view, score, caller, policy, around = given_
    document = policy.document
    decision = decide(view, score, caller, policy, around)
    floors = [caller.min_tier, caller.header_tier or Tier.SIMPLE]
    if view.malformed:
        floors.append(Tier.FRONTIER)
    if document.mode is not Mode.OFF:
        if around.floor and document.conversations.sticky:
            floors.append(around.floor)
        if around.domain and around.domain.name in document.domains:
            floors.append(document.domains[around.domain.name].tier)
        if around.failures:
            floors.append(document.classifier.on_failure)
        floors += [tier for signal, tier in document.signals.items() if signal in view.signals]
        if view.input_tokens >= document.long_context.tokens:
            floors.append(document.long_context.tier)
    for floor in floors:
        assert decision.tier.rank >= lower(floor, caller.max_tier).rank
    if (ceiling := lifted(caller, policy, around)) is not None:
        assert decision.tier.rank >= ceiling.rank


@settings(max_examples=150, deadline=None)
@given(situation, unit, unit)
def test_a_surer_classifier_never_costs_more_and_a_stricter_threshold_never_less(
    given_: tuple[RequestView, Scores | None, Caller, Policy, Circumstances], surer: float, stricter: float
) -> None:
    view, score, caller, policy, around = given_
    before = decide(view, score, caller, policy, around)
    for tier in (Tier.SIMPLE, Tier.MEDIUM):
        if score is not None:
            raised = {**score.p_ok, tier: max(score.p_ok[tier], surer)}
            assert decide(view, replace(score, p_ok=raised), caller, policy, around).tier.rank <= before.tier.rank
            odder = replace(score, ood=max(score.ood, surer))
            assert decide(view, odder, caller, policy, around).tier.rank >= before.tier.rank
        groups = policy.document.tiers
        threshold = max(groups[tier].threshold or 0.0, stricter)
        tightened = groups.model_copy(update={tier.value: groups[tier].model_copy(update={"threshold": threshold})})
        strict = replace(policy, document=policy.document.model_copy(update={"tiers": tightened}))
        assert decide(view, score, caller, strict, around).tier.rank >= before.tier.rank


@settings(max_examples=150, deadline=None)
@given(situation, tiers)
def test_a_lower_cap_never_costs_more(
    given_: tuple[RequestView, Scores | None, Caller, Policy, Circumstances], cap: Tier
) -> None:
    view, score, caller, policy, around = given_
    lowered = lower(caller.max_tier, cap)
    tighter = replace(caller, max_tier=lowered, min_tier=lower(caller.min_tier, lowered))
    assert (
        decide(view, score, tighter, policy, around).tier.rank <= decide(view, score, caller, policy, around).tier.rank
    )


@settings(max_examples=150, deadline=None)
@given(situation)
def test_a_request_goes_where_it_fits_when_a_dearer_allowed_tier_has_room(
    given_: tuple[RequestView, Scores | None, Caller, Policy, Circumstances],
) -> None:
    view, score, caller, policy, around = given_
    decision = decide(view, score, caller, policy, around)
    assert (Cause.NO_CAPABLE_TIER in decision.causes) == (not fits(view, around, decision.tier))
    for tier, chosen in ((decision.tier, "decided"), (decision.served, "served")):
        better = [t for t in TIERS if tier.rank < t.rank <= caller.max_tier.rank and fits(view, around, t)]
        assert fits(view, around, tier) or not better, chosen


@settings(max_examples=100, deadline=None)
@given(situation, some_scores)
def test_off_ignores_scores_domains_and_conversations(
    given_: tuple[RequestView, Scores | None, Caller, Policy, Circumstances], other: Scores | None
) -> None:
    view, score, caller, policy, around = given_
    off = replace(policy, document=policy.document.model_copy(update={"mode": Mode.OFF}))
    plain = decide(view, None, caller, off, Circumstances(around.capabilities))
    for changed in (decide(view, score, caller, off, around), decide(view, other, caller, off, around)):
        assert (changed.tier, changed.causes) == (plain.tier, plain.causes)
    assert plain.causes[0] is Cause.MODE_OFF


@settings(max_examples=100, deadline=None)
@given(situation)
def test_shadow_serves_the_default_and_decides_as_enforce_does(
    given_: tuple[RequestView, Scores | None, Caller, Policy, Circumstances],
) -> None:
    view, score, caller, policy, around = given_
    decisions = {
        mode: decide(
            view, score, caller, replace(policy, document=policy.document.model_copy(update={"mode": mode})), around
        )
        for mode in (Mode.SHADOW, Mode.ENFORCE)
    }
    shadow, enforce = decisions[Mode.SHADOW], decisions[Mode.ENFORCE]
    assert shadow.tier is enforce.tier
    assert shadow.causes[: len(enforce.causes)] == enforce.causes
    assert Cause.MODE_SHADOW in shadow.causes
    default = lower(policy.document.default_tier, caller.max_tier)
    assert shadow.served.rank >= default.rank
    if fits(view, around, policy.document.default_tier):
        assert shadow.served is default


@settings(max_examples=100, deadline=None)
@given(situation)
def test_the_cache_scope_is_the_narrower_of_caller_and_domain(
    given_: tuple[RequestView, Scores | None, Caller, Policy, Circumstances],
) -> None:
    view, score, caller, policy, around = given_
    decision = decide(view, score, caller, policy, around)
    order = list(CacheScope)
    assert order.index(decision.cache) <= order.index(caller.cache)
    rule = policy.document.domains.get(around.domain.name) if around.domain else None
    if rule is not None:
        assert order.index(decision.cache) <= order.index(rule.cache)


# ---------------------------------------------------------------- examples, one a cause


def decided(
    score: Scores | None = EASY,
    *,
    view: RequestView = VIEW,
    caller: Caller | None = None,
    policy: Policy | None = None,
    **around: Any,
) -> Decision:
    return decide(view, score, caller or Caller(), policy or make_policy(), Circumstances(**around))


@pytest.mark.parametrize(
    ("score", "tier"),
    [
        (scores(0.6), Tier.SIMPLE),
        (scores(0.599, 0.6), Tier.MEDIUM),
        (scores(0.599, 0.599), Tier.FRONTIER),
        (scores(float("nan"), float("nan")), Tier.FRONTIER),
        (Scores({}), Tier.FRONTIER),
    ],
)
def test_the_cheapest_tier_that_is_good_enough(score: Scores, tier: Tier) -> None:
    decision = decided(score)
    assert (decision.tier, decision.causes) == (tier, (Cause.SCORE,))


def test_complexity_is_ten_times_the_doubt_in_simple() -> None:
    assert decided(scores(0.75)).complexity == pytest.approx(2.5)
    assert decided(scores(0.75)).p_ok == {"simple": 0.75, "medium": 0.0, "frontier": 1.0}


@pytest.mark.parametrize(
    ("rule", "cause"),
    [
        ("term:loan", Cause.DOMAIN_RULE),
        ("pattern:2", Cause.DOMAIN_RULE),
        ("timeout", Cause.RULES_TIMEOUT),
        ("model", Cause.DOMAIN_MODEL),
        ("header", Cause.DOMAIN_HEADER),
        ("caller", Cause.DOMAIN_CALLER),
    ],
)
def test_a_domain_is_recorded_even_where_the_score_would_have_gone_as_high(rule: str, cause: Cause) -> None:
    for score in (EASY, HARD):
        decision = decided(score, domain=DomainMatch("needs-frontier", 1.0, rule))
        assert decision.tier is Tier.FRONTIER
        assert cause in decision.causes
        assert (decision.gate_bypass, decision.cache) == (True, CacheScope.OFF)


@pytest.mark.parametrize("wins", [True, False])
def test_a_domain_over_the_cap_follows_the_policy(wins: bool) -> None:
    policy = make_policy(callers={"domain_over_cap": wins})
    match = DomainMatch("needs-medium", 1.0, "model")
    decision = decided(HARD, caller=Caller(max_tier=Tier.SIMPLE), policy=policy, domain=match)
    assert decision.tier is (Tier.MEDIUM if wins else Tier.SIMPLE)
    assert (Cause.DOMAIN_OVER_CAP if wins else Cause.CAP_OVER_DOMAIN) in decision.causes


def test_a_header_cannot_lift_a_cap() -> None:
    match = DomainMatch("needs-frontier", 1.0, "header")
    decision = decided(caller=Caller(max_tier=Tier.MEDIUM, header_tier=Tier.FRONTIER), domain=match)
    assert decision.tier is Tier.MEDIUM
    assert Cause.CALLER_CAP in decision.causes


def test_a_header_cannot_hide_a_domain_that_lifts_the_cap() -> None:
    """Naming a dearer domain in a header must not displace the one that the rules found."""
    domains = make_policy().document.domains
    found = [DomainMatch("needs-frontier", 1.0, "header"), DomainMatch("needs-medium", 1.0, "term:loan")]
    assert strictest(found, domains, Tier.SIMPLE) == found[1]
    assert strictest(found, domains, Tier.MEDIUM) == found[1]
    assert strictest(found, domains, Tier.FRONTIER) == found[0]


def test_the_strictest_domain_wins_and_evidence_breaks_ties() -> None:
    domains = make_policy().document.domains
    medium = DomainMatch("needs-medium", 1.0, "term:loan")
    frontier = [DomainMatch("needs-frontier", p, rule) for rule, p in (("model", 0.5), ("model", 0.6), ("term:x", 1.0))]
    assert strictest([medium, *frontier], domains) == frontier[2]
    assert strictest([medium, *frontier[:2]], domains) == frontier[1]
    assert strictest([DomainMatch("since removed", 1.0, "term:x")], domains) is None
    assert strictest([], domains) is None


@pytest.mark.parametrize(
    ("signal", "cause"),
    [
        (Signal.CODE, Cause.SIGNAL_CODE),
        (Signal.MATH, Cause.SIGNAL_MATH),
        (Signal.TOOLS, Cause.SIGNAL_TOOLS),
        (Signal.ATTACHMENT, Cause.SIGNAL_ATTACHMENT),
        (Signal.JSON, Cause.SIGNAL_JSON),
    ],
)
def test_a_signal_raises_to_its_floor(signal: Signal, cause: Cause) -> None:
    view = replace(VIEW, signals=frozenset({signal}))
    decision = decided(view=view, policy=make_policy(signals={signal.value: "medium"}))
    assert (decision.tier, decision.causes) == (Tier.MEDIUM, (Cause.SCORE, cause))
    assert decided(view=view).tier is Tier.SIMPLE


def test_long_context_conversation_and_strangeness_raise() -> None:
    long = decided(view=replace(VIEW, input_tokens=24_000))
    assert (long.tier, long.causes[-1]) == (Tier.MEDIUM, Cause.SIGNAL_LONG_CONTEXT)
    later = decided(floor=Tier.FRONTIER)
    assert (later.tier, later.causes[-1]) == (Tier.FRONTIER, Cause.CONVERSATION_FLOOR)
    strange = decided(scores(0.9, 0.9, ood=0.995))
    assert (strange.tier, strange.causes[-1]) == (Tier.FRONTIER, Cause.OUT_OF_DISTRIBUTION)


def test_an_intent_raises_to_its_floor_and_never_lowers() -> None:
    examples = [f"book a table for {n}" for n in range(5)]
    policy = make_policy(intents={"code": {"tier": "medium"}, "booking": {"examples": examples}})
    raised = decided(replace(EASY, intent="code"), policy=policy)
    assert (raised.tier, raised.set_by, raised.intent) == (Tier.MEDIUM, Cause.INTENT_FLOOR, "code")
    assert decided(replace(HARD, intent="code"), policy=policy).tier is Tier.FRONTIER
    assert decided(replace(EASY, intent="booking"), policy=policy).causes == (Cause.SCORE,)
    assert decided(replace(EASY, intent="chat"), policy=policy).tier is Tier.SIMPLE


@pytest.mark.parametrize(
    ("intents", "told"),
    [
        ({"booking": {"tier": "medium"}}, "at least 5 examples"),
        ({"Booking!": {"examples": ["x"] * 5}}, "lower-case"),
        ({"code": {"examples": [" "]}}, "empty example"),
    ],
)
def test_an_intent_that_cannot_be_recognised_is_refused(intents: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        make_policy(intents=intents)


def test_a_malformed_request_goes_up_but_not_past_the_cap() -> None:
    view = replace(VIEW, text="", malformed="messages is not a list")
    assert decided(view=view).tier is Tier.FRONTIER
    capped = decided(view=view, caller=Caller(max_tier=Tier.MEDIUM))
    assert (capped.tier, capped.causes[-2:]) == (Tier.MEDIUM, (Cause.MALFORMED_REQUEST, Cause.CALLER_CAP))


def test_an_image_goes_to_the_first_tier_that_sees() -> None:
    view = replace(VIEW, images=1)
    blind = {Tier.SIMPLE: Capability(vision=False), Tier.MEDIUM: Capability(), Tier.FRONTIER: Capability()}
    decision = decided(view=view, capabilities=blind)
    assert (decision.tier, decision.causes) == (Tier.MEDIUM, (Cause.SCORE, Cause.VISION_REQUIRED))


@pytest.mark.parametrize("mode", ["shadow", "off"])
def test_an_image_is_not_served_by_a_blind_default_tier(mode: str) -> None:
    blind = {Tier.SIMPLE: Capability(vision=False)}
    policy = make_policy(mode=mode, default_tier="simple")
    decision = decided(HARD, view=replace(VIEW, images=1), policy=policy, capabilities=blind)
    assert decision.served is Tier.MEDIUM
    assert Cause.VISION_REQUIRED in decision.causes


def test_a_prompt_goes_to_the_first_tier_with_room_for_it_and_its_answer() -> None:
    small = {Tier.SIMPLE: Capability(max_input_tokens=1_000), Tier.MEDIUM: Capability(max_input_tokens=2_000)}
    for tokens, answer, tier in ((900, 100, Tier.SIMPLE), (900, 101, Tier.MEDIUM), (2_001, None, Tier.FRONTIER)):
        view = replace(VIEW, input_tokens=tokens, max_output_tokens=answer)
        assert decided(view=view, capabilities=small).tier is tier


def test_tiers_are_ordered() -> None:
    assert [tier.rank for tier in TIERS] == [0, 1, 2]
    assert higher(Tier.SIMPLE, Tier.MEDIUM) is Tier.MEDIUM
    assert lower(Tier.SIMPLE, Tier.MEDIUM) is Tier.SIMPLE


def test_a_tier_that_is_escalated_too_often_is_passed_over() -> None:
    """Only tiers named hopeless are passed over, upwards, and the cap still holds."""
    sure = Scores({Tier.SIMPLE: 1.0, Tier.MEDIUM: 1.0, Tier.FRONTIER: 1.0})
    for hopeless, expected in (
        (frozenset[Tier](), Tier.SIMPLE),
        (frozenset({Tier.SIMPLE}), Tier.MEDIUM),
        (frozenset({Tier.MEDIUM}), Tier.SIMPLE),
        (frozenset({Tier.SIMPLE, Tier.MEDIUM}), Tier.FRONTIER),
    ):
        around = Circumstances(hopeless=hopeless)
        made = decide(VIEW, sure, Caller(), make_policy(), around)
        assert made.tier is expected
        assert (Cause.GATE_STRAIGHT_UP in made.causes) is (expected is not Tier.SIMPLE)
        assert decide(VIEW, sure, Caller(max_tier=Tier.SIMPLE), make_policy(), around).tier is Tier.SIMPLE


@pytest.mark.parametrize(
    ("view", "caller", "changes"),
    [
        (VIEW, Caller(gate=False), {}),
        (VIEW, Caller(max_tier=Tier.SIMPLE), {}),
        (VIEW, Caller(), {"gate": {"enabled": False}}),
        (VIEW, Caller(team="t"), {"gate": {"overrides": [{"team": "t", "enabled": False}]}}),
        (VIEW, Caller(), {"gate": {"overrides": [{"tier": "simple", "enabled": False}]}}),
        (replace(VIEW, n=2), Caller(), {}),
        (replace(VIEW, stream=True), Caller(), {"gate": {"streaming": "off"}}),
    ],
)
def test_where_no_answer_would_be_escalated_no_tier_is_passed_over(
    view: RequestView, caller: Caller, changes: dict[str, Any]
) -> None:
    sure = Scores({Tier.SIMPLE: 1.0, Tier.MEDIUM: 1.0, Tier.FRONTIER: 1.0})
    around = Circumstances(hopeless=frozenset({Tier.SIMPLE, Tier.MEDIUM}))
    made = decide(view, sure, caller, make_policy(**changes), around)
    assert (made.tier, Cause.GATE_STRAIGHT_UP in made.causes) == (Tier.SIMPLE, False)


def test_a_domain_that_is_not_gated_passes_over_no_tier() -> None:
    sure = Scores({Tier.SIMPLE: 1.0, Tier.MEDIUM: 1.0, Tier.FRONTIER: 1.0})
    made = make_policy(domains={"chat": {"tier": "simple", "gate": "bypass"}})
    around = Circumstances(hopeless=frozenset({Tier.SIMPLE}), domain=DomainMatch("chat", 1.0, "term:hi"))
    assert decide(VIEW, sure, Caller(), made, around).tier is Tier.SIMPLE
