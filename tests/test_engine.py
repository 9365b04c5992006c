"""One decision from end to end, with the shipped models on a fake encoder and, once, on the real one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from custom_router.causes import Cause
from custom_router.classify.embedding import EmbeddingClassifier
from custom_router.decision import Capability, Decision
from custom_router.domains.model import DomainModel
from custom_router.encoder import MiniLMEncoder
from custom_router.encoder.base import Encoder, EncoderUnavailable, Vectors
from custom_router.encoder.fake import FakeEncoder
from custom_router.engine import RouterEngine
from custom_router.policy import CacheScope, Caller, PolicyError
from custom_router.request import CallType, RequestView
from custom_router.tiers import TIERS, Tier

TIERS_YAML = """\
tiers:
  simple: {model: s, threshold: 0.6}
  medium: {model: m, threshold: 0.6}
  frontier: {model: f}
"""
RULES = """\
domains:
  finance: {rules: {terms: [mortgage]}}
"""
MODEL = """\
domains:
  finance: {threshold: 0.5}
"""
PATIENT = "latency_budget_ms: {encoder: 30000, rules: 30000}\n"
CONSTANT = "classifier: {kind: constant, constant: 0.9}\n"


class Stand(FakeEncoder):
    """A fake encoder that passes for the one the shipped models were fitted on. Counts what it encodes."""

    def __init__(self) -> None:
        super().__init__()
        self.version = "minilm-l6-v2/int8-pc"
        self.seen: list[str] = []
        self.broken = False

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.seen += texts
        if self.broken:
            raise KeyError("broken")
        return super().encode(texts)


Make = Callable[..., RouterEngine]


@pytest.fixture
def encoder() -> Stand:
    return Stand()


@pytest.fixture
def make(tmp_path: Path, encoder: Stand) -> Iterator[Make]:
    """Makes engines for the tiers above and more policy text; loaded unless told otherwise."""
    made: list[RouterEngine] = []

    def build(more: str = "", *, loaded: bool = True, load: Callable[[], Encoder] | None = None) -> RouterEngine:
        path = tmp_path / f"policy{len(made)}.yaml"
        path.write_text(TIERS_YAML + PATIENT + more)
        engine = RouterEngine(path, load_encoder=load or (lambda: encoder))
        made.append(engine)
        if loaded:
            engine.encoder.load_now()
        return engine

    yield build
    for engine in made:
        engine.close()


def edit(engine: RouterEngine, more: str) -> None:
    """Save the tiers and other policy text over the engine's file, and let it look."""
    Path(engine.watcher.status.source).write_text(TIERS_YAML + more)
    engine.watcher.check()


def chat(*texts: str, **body: Any) -> RequestView:
    """Turns of user and assistant in alternation."""
    messages = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]
    return RequestView.from_chat({"messages": messages, **body})


def outcome(decision: Decision) -> tuple[Any, ...]:
    return decision.tier, decision.served, decision.causes, tuple(decision.p_ok.items()), decision.domain


# ---------------------------------------------------------------- classifiers and modes


async def test_the_embedding_classifier_scores(make: Make, encoder: Stand) -> None:
    decision = await make().decide(chat("What is the capital of France?"))
    assert decision.source.startswith("embedding/")
    assert set(decision.p_ok) == set(TIERS)
    assert 0 <= decision.complexity <= 10
    assert encoder.seen == [], "no domain asks the model, so the sentence encoder is not needed"
    assert set(decision.latency_ms) == {"rules", "classify", "decide"}


@pytest.mark.parametrize(("p_ok", "tier"), [(0.6, Tier.SIMPLE), (0.59, Tier.FRONTIER)])
async def test_the_constant_control(make: Make, encoder: Stand, p_ok: float, tier: Tier) -> None:
    engine = make(f"classifier: {{kind: constant, constant: {p_ok}}}\n", loaded=False)
    decision = await engine.decide(chat("hello"))
    assert (decision.tier, decision.source) == (tier, f"constant/{p_ok:g}")
    assert encoder.seen == []


async def test_the_random_control_is_repeatable_and_spreads(make: Make) -> None:
    engine = make("classifier: {kind: random}\n", loaded=False)
    views = [chat(f"prompt {i}") for i in range(200)]
    first, second = await engine.decide_many(views), await engine.decide_many(views)
    assert [d.tier for d in first] == [d.tier for d in second]
    assert {d.tier for d in first} == set(TIERS)
    assert all(d.p_ok["simple"] <= d.p_ok["medium"] for d in first)


async def test_off_decides_nothing(make: Make, encoder: Stand) -> None:
    decision = await make(f"mode: off\ndefault_tier: medium\n{RULES}").decide(chat("a mortgage"))
    assert (decision.tier, decision.served, decision.causes) == (Tier.MEDIUM, Tier.MEDIUM, (Cause.MODE_OFF,))
    assert encoder.seen == []


async def test_shadow_decides_each_turn_as_enforce_would(make: Make) -> None:
    """What shadow serves is no floor for the turns after it: its records would all say frontier."""
    engine = make(f"mode: shadow\n{CONSTANT}")
    first = await engine.decide(chat("hello"))
    second = await engine.decide(chat("hello", "hi", "and now?"))
    assert (first.tier, first.served) == (Tier.SIMPLE, Tier.FRONTIER)
    assert (second.tier, second.served) == (Tier.SIMPLE, Tier.FRONTIER)
    assert Cause.CONVERSATION_FLOOR not in second.causes


# ---------------------------------------------------------------- domains


async def test_a_rule_reaches_the_domains_tier_and_is_named(make: Make) -> None:
    decision = await make(CONSTANT + RULES, loaded=False).decide(chat("Explain my Mortgage, please"))
    assert decision.tier is Tier.FRONTIER
    assert decision.domain is not None
    assert (decision.domain.name, decision.domain.rule) == ("finance", "term:mortgage")
    assert (decision.cache, decision.gate_bypass) == (CacheScope.OFF, True)


async def test_a_domain_is_found_in_an_earlier_turn_and_in_the_system_prompt(make: Make) -> None:
    engine = make(CONSTANT + RULES, loaded=False)
    later = await engine.decide(chat("About my mortgage.", "Yes?", "What about next year?"))
    system = RequestView.from_messages({"system": "You sell mortgage plans.", "messages": chat_messages("Hi")})
    assert later.tier is (await engine.decide(system)).tier is Tier.FRONTIER


def chat_messages(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


async def test_a_domain_limited_to_a_team_leaves_others_alone(make: Make) -> None:
    engine = make(CONSTANT + "domains: {finance: {teams: [bank], rules: {terms: [mortgage]}}}\n", loaded=False)
    view = chat("my mortgage")
    assert (await engine.decide(view, tenant="a")).tier is Tier.SIMPLE
    assert (await engine.decide(view, Caller(team="bank"), tenant="b")).tier is Tier.FRONTIER
    assert (await engine.decide(view, Caller(team_alias="bank"), tenant="c")).tier is Tier.FRONTIER


async def test_rules_that_run_out_of_time_count_as_a_match(make: Make) -> None:
    late = "domains: {slow: {rules: {patterns: ['tax']}}}\nlatency_budget_ms: {rules: 0.000001}\n"
    engine = make_without_patience(make, CONSTANT + late)
    decision = await engine.decide(chat("hello"))
    assert decision.tier is Tier.FRONTIER
    assert Cause.RULES_TIMEOUT in decision.causes


def make_without_patience(make: Make, more: str) -> RouterEngine:
    engine = make(CONSTANT, loaded=False)
    edit(engine, more)
    assert engine.watcher.status.findings == ()
    return engine


@pytest.mark.parametrize(
    ("caller", "view"),
    [
        (Caller(min_tier=Tier.FRONTIER), chat("hello there")),
        (Caller(header_tier=Tier.FRONTIER), chat("hello there")),
        (Caller(header_domain="tools"), chat("hello there")),
    ],
)
async def test_the_domain_model_is_asked_even_where_the_tier_is_settled(
    make: Make, caller: Caller, view: RequestView
) -> None:
    """A domain rules the cache, the gate and the audit too: a header must not be a way past the model."""
    engine = make(CONSTANT + "domains: {finance: {threshold: 0.0}, tools: {cache: team}}\n")
    decision = await engine.decide(view, caller)
    assert decision.tier is Tier.FRONTIER
    assert decision.domain is not None
    assert (decision.domain.name, decision.domain.rule) == ("finance", "model")
    assert decision.cache is CacheScope.OFF


async def test_a_vector_that_settles_nothing_is_not_paid_for(make: Make, encoder: Stand) -> None:
    engine = make("domains: {finance: {threshold: 0.5, rules: {terms: [mortgage]}}}\n")
    assert (await engine.decide(chat("my mortgage"))).tier is Tier.FRONTIER
    malformed = await engine.decide(RequestView.from_body(CallType.CHAT, None))
    assert (malformed.tier, Cause.MALFORMED_REQUEST in malformed.causes) == (Tier.FRONTIER, True)
    assert encoder.seen == []


async def test_a_header_cannot_hide_a_domain_that_lifts_the_cap(make: Make) -> None:
    domains = "domains: {support: {tier: medium, rules: {terms: [refund]}}, legal: {tier: frontier}}\n"
    engine = make(CONSTANT + domains, loaded=False)
    capped = Caller(max_tier=Tier.SIMPLE)
    plain = await engine.decide(chat("a refund"), capped, tenant="a")
    hidden = await engine.decide(chat("a refund"), Caller(max_tier=Tier.SIMPLE, header_domain="legal"), tenant="b")
    assert plain.tier is hidden.tier is Tier.MEDIUM


PLAIN = "Write a limerick about a giraffe on roller skates."
MONEY = "How would higher rates affect the value of our bond portfolio?"


def screened(outcome: str) -> float:
    return REGISTRY.get_sample_value("tier_router_domain_screen_total", {"outcome": outcome}) or 0.0


@pytest.mark.parametrize("patient", [False, True])
async def test_the_sentence_encoder_runs_only_where_a_domain_is_in_reach(
    make: Make, encoder: Stand, patient: bool
) -> None:
    """Evaluations, which are patient, must see what serving does."""
    engine = make("domains: {finance: {threshold: 0.2}, legal: {threshold: 0.18}}\n")
    skipped, encoded = screened("skipped"), screened("encoded")
    plain = await engine.decide(chat(PLAIN), tenant="a", patient=patient)
    assert (encoder.seen, "encoder" in plain.latency_ms, bool(plain.p_ok)) == ([], False, True)
    money = await engine.decide(chat(MONEY), tenant="b", patient=patient)
    assert (encoder.seen, "encoder" in money.latency_ms) == ([MONEY], True)
    assert (screened("skipped") - skipped, screened("encoded") - encoded) == (1, 1)


async def test_the_screen_follows_the_policys_threshold(make: Make, encoder: Stand) -> None:
    """At a threshold that everything reaches nothing can be ruled out."""
    engine = make("domains: {finance: {threshold: 0.0}}\n")
    assert (await engine.decide(chat(PLAIN))).domain is not None
    assert encoder.seen == [PLAIN]


@pytest.mark.parametrize("text", ["hi", "qwlkj zxcvm asdpo iuyqw nbvxz lkjhg", "请写一封道歉信给客户"])
async def test_what_the_screen_cannot_judge_goes_to_the_sentence_encoder(make: Make, encoder: Stand, text: str) -> None:
    await make("domains: {finance: {threshold: 0.2}}\n").decide(chat(text))
    assert encoder.seen == [text]


async def test_a_broken_sentence_encoder_costs_only_the_requests_that_need_it(make: Make, encoder: Stand) -> None:
    engine = make("domains: {finance: {threshold: 0.2}}\n")
    encoder.broken = True
    assert (await engine.decide(chat(PLAIN), tenant="a")).p_ok
    assert (await engine.decide(chat(MONEY), tenant="b")).causes == (Cause.ENCODER_UNAVAILABLE,)


async def test_a_domain_of_another_team_does_not_ask_the_model(make: Make, encoder: Stand) -> None:
    engine = make("domains: {finance: {threshold: 0.0, teams: [bank]}}\n")
    await engine.decide(chat(MONEY), tenant="a")
    assert encoder.seen == []
    await engine.decide(chat(MONEY), Caller(team="bank"), tenant="b")
    assert encoder.seen == [MONEY]


async def test_a_threshold_for_a_domain_the_model_does_not_know_is_refused(make: Make) -> None:
    with pytest.raises(PolicyError, match=r"domains\.cooking\.threshold"):
        make("domains: {cooking: {threshold: 0.5}}\n")


# ---------------------------------------------------------------- failures


async def test_until_the_encoder_is_loaded_requests_go_up(make: Make) -> None:
    def unavailable() -> Encoder:
        raise EncoderUnavailable("no weights")

    engine = make(loaded=False, load=unavailable)
    decision = await engine.decide(chat("hello"))
    assert (decision.tier, decision.causes) == (Tier.FRONTIER, (Cause.ENCODER_UNAVAILABLE,))
    with pytest.raises(EncoderUnavailable):
        await engine.decide_many([chat("hello")])


async def test_a_failure_goes_to_the_tier_the_policy_names_and_rules_still_hold(make: Make, encoder: Stand) -> None:
    engine = make(
        "classifier: {on_failure: medium}\ndomains: {finance: {threshold: 0.5, rules: {terms: [mortgage]}}}\n"
    )
    encoder.broken = True
    assert (await engine.decide(chat("hello"))).causes == (Cause.ENCODER_UNAVAILABLE,)
    assert (await engine.decide(chat("hello"))).tier is Tier.MEDIUM
    assert (await engine.decide(chat("my mortgage"))).tier is Tier.FRONTIER
    capped = await engine.decide(chat("hi"), Caller(max_tier=Tier.SIMPLE))
    assert capped.causes == (Cause.ENCODER_UNAVAILABLE, Cause.CALLER_CAP)


async def test_a_late_sentence_encoder_lowers_no_tier(make: Make, encoder: Stand) -> None:
    """What the head has said stands: `on_failure` is for what nobody has judged."""
    hard = chat("证明素数的倒数之和发散。")
    policy = "classifier: {on_failure: simple}\ndomains: {finance: {threshold: 0.5}}\n"
    well = await make(policy).decide(hard)
    engine = make(policy)
    encoder.broken = True
    broken = await engine.decide(hard)
    assert broken.causes[0] is Cause.ENCODER_UNAVAILABLE
    assert well.tier is Tier.FRONTIER
    assert Cause.OUT_OF_DISTRIBUTION in broken.causes
    assert (broken.tier, broken.p_ok, broken.ood, broken.intent) == (well.tier, well.p_ok, well.ood, well.intent)
    encoder.broken = False
    again = await engine.decide(hard)
    assert Cause.ENCODER_UNAVAILABLE not in again.causes, "a failure is not remembered"


@pytest.mark.parametrize("broken", [EmbeddingClassifier, DomainModel])
async def test_a_defect_in_a_model_goes_up_with_a_cause(
    make: Make, monkeypatch: pytest.MonkeyPatch, broken: type
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a defect")

    engine = make(MODEL)
    monkeypatch.setattr(broken, "score" if broken is EmbeddingClassifier else "probabilities", fail)
    decision = await engine.decide(chat("hello"))
    assert (decision.tier, decision.causes) == (Tier.FRONTIER, (Cause.CLASSIFIER_ERROR,))


async def test_a_vector_that_is_no_number_goes_up(make: Make, monkeypatch: pytest.MonkeyPatch, encoder: Stand) -> None:
    engine = make(MODEL)
    monkeypatch.setattr(encoder, "encode", lambda texts: np.full((len(texts), 384), np.nan, np.float32))
    decision = await engine.decide(chat("hello"))
    assert decision.tier is Tier.FRONTIER
    assert Cause.DOMAIN_MODEL in decision.causes


async def test_models_of_another_encoder_are_refused(make: Make) -> None:
    engine = make(loaded=False, load=FakeEncoder)
    with pytest.raises(RuntimeError, match="fake/384"):
        engine.encoder.load_now()
    assert (await engine.decide(chat("hello"))).causes == (Cause.ENCODER_UNAVAILABLE,)


_hostile = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_messages = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "system", "assistant", "tool"])}, optional={"content": _hostile}
    ),
    max_size=4,
)


@pytest.fixture
def ruled(make: Make) -> RouterEngine:
    return make(RULES)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(call_type=st.sampled_from(CallType), content=_messages | _hostile)
def test_no_request_body_breaks_a_decision(ruled: RouterEngine, call_type: CallType, content: object) -> None:
    body = dict.fromkeys(("messages", "input", "prompt"), content)
    view = RequestView.from_body(call_type, body)

    decision = asyncio.run(ruled.decide(view))
    assert decision.causes
    assert Cause.CLASSIFIER_ERROR not in decision.causes
    if view.malformed:
        assert decision.tier is Tier.FRONTIER


# ---------------------------------------------------------------- conversations and batches


async def test_a_follow_up_keeps_its_conversations_tier(make: Make) -> None:
    engine = make(CONSTANT + RULES, loaded=False)
    system = {"role": "system", "content": "Be brief."}
    opening = {"role": "user", "content": "Hello"}
    answer = {"role": "assistant", "content": "Hi"}

    async def turn(*texts: str, tenant: str = "t") -> Decision:
        rest = [m for text in texts for m in (answer, {"role": "user", "content": text})]
        return await engine.decide(RequestView.from_chat({"messages": [system, opening, *rest]}), tenant=tenant)

    assert (await turn()).tier is Tier.SIMPLE
    assert (await turn("my mortgage")).tier is Tier.FRONTIER
    # The client has forgotten the turn about money, as clients with a short window do.
    later = await turn("thanks")
    assert (later.tier, Cause.CONVERSATION_FLOOR in later.causes) == (Tier.FRONTIER, True)
    assert (await turn("thanks", tenant="another key")).tier is Tier.SIMPLE
    assert (await turn()).tier is Tier.SIMPLE, "an opening request begins a conversation of its own"


async def test_a_policy_may_let_conversations_drop(make: Make) -> None:
    engine = make(CONSTANT + RULES + "conversations: {sticky: off}\n", loaded=False)
    await engine.decide(chat("Hello", "Hi", "my mortgage"))
    assert (await engine.decide(chat("Hello", "Hi", "thanks"))).tier is Tier.SIMPLE


async def test_a_batch_depends_on_neither_order_nor_duplicates_nor_earlier_batches(make: Make) -> None:
    engine = make(RULES)
    texts = [f"question {i} about {word}" for i, word in enumerate(["rivers", "mortgage", "code", "x^2", "prose"] * 4)]
    views = [chat(text) for text in texts] + [chat("Hello", "Hi", text) for text in texts]
    forward = [outcome(d) for d in await engine.decide_many(views)]
    backward = [outcome(d) for d in await engine.decide_many(list(reversed(views)))]
    doubled = [outcome(d) for d in await engine.decide_many([v for view in views for v in (view, view)])]
    assert forward == list(reversed(backward))
    assert doubled[::2] == doubled[1::2] == forward


async def test_a_batch_after_a_reload_starts_afresh(make: Make) -> None:
    engine = make("classifier: {kind: constant, constant: 0.1}\n", loaded=False)
    views = [chat("Hello", "Hi", "more")]
    assert [d.tier for d in await engine.decide_many(views)] == [Tier.FRONTIER]
    edit(engine, CONSTANT)
    assert [d.tier for d in await engine.decide_many(views)] == [Tier.SIMPLE]


async def test_many_at_once_get_their_own_answers(make: Make) -> None:
    engine = make("classifier: {kind: random}\n")
    views = [chat(f"prompt {i}") for i in range(50)]
    alone = await engine.decide_many(views)
    together = await asyncio.gather(*(engine.decide(view, tenant=str(i)) for i, view in enumerate(views)))
    assert [outcome(d) for d in together] == [outcome(d) for d in alone]


# ---------------------------------------------------------------- reload and capability


async def test_a_reload_swaps_rules_and_version(make: Make) -> None:
    engine = make(CONSTANT + RULES, loaded=False)
    before = await engine.decide(chat("sailing"), tenant="1")
    edit(engine, CONSTANT + RULES.replace("mortgage", "sailing"))
    after = await engine.decide(chat("sailing"), tenant="2")
    assert (before.tier, after.tier) == (Tier.SIMPLE, Tier.FRONTIER)
    assert before.policy_version != after.policy_version == engine.policy.version

    edit(engine, "mode: broken")
    assert (await engine.decide(chat("sailing"), tenant="3")).policy_version == after.policy_version


async def test_a_reload_that_the_engine_refuses_keeps_the_rules(make: Make) -> None:
    engine = make(CONSTANT + RULES, loaded=False)
    version = engine.policy.version
    edit(engine, "domains: {cooking: {threshold: 0.5}}\n")
    assert engine.policy.version == version
    assert "cooking" in str(engine.watcher.status.findings[0])
    assert (await engine.decide(chat("my mortgage"))).tier is Tier.FRONTIER


async def test_an_image_goes_where_it_can_be_seen(make: Make) -> None:
    engine = make(CONSTANT, loaded=False)
    image = {"type": "image_url", "image_url": {"url": "data:,"}}
    view = RequestView.from_chat({"messages": [{"role": "user", "content": [image]}]})
    blind = {tier: Capability(vision=tier is not Tier.SIMPLE) for tier in TIERS}
    decision = await engine.decide(view, capabilities=blind)
    assert (decision.tier, Cause.VISION_REQUIRED in decision.causes) == (Tier.MEDIUM, True)


async def test_without_a_caller_the_policys_limits_hold(make: Make) -> None:
    engine = make("callers: {max_tier: medium}\nclassifier: {kind: constant, constant: 0.1}\n", loaded=False)
    assert (await engine.decide(chat("hard"))).tier is Tier.MEDIUM


async def test_the_real_encoder_finds_a_domain_without_any_rule(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    domains = "domains: {finance: {threshold: 0.19}, legal: {threshold: 0.19}}\n"
    engine = make(domains, load=lambda: MiniLMEncoder.load(tmp_path))
    money, poem = await engine.decide_many(
        [chat("How is goodwill impairment booked under IFRS?"), chat("Write a short poem about autumn leaves.")]
    )
    assert money.domain is not None
    assert (money.domain.name, money.domain.rule, money.tier) == ("finance", "model", Tier.FRONTIER)
    assert poem.domain is None
