"""When the vLLM model is asked, and what the two classifiers say together."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from custom_router.classify.base import Scores
from custom_router.classify.embedding import EmbeddingClassifier
from custom_router.classify.hybrid import combined, worth_asking
from custom_router.classify.opinion import Rating, log_odds, probability
from custom_router.encoder import StaticEncoder
from custom_router.learn.plain_prompts import PLAIN_PROMPTS, UNTYPICAL_PROMPTS
from custom_router.learn.seed_prompts import SEEDS
from custom_router.policy import Policy
from custom_router.policy.schema import PolicyDocument
from custom_router.request import RequestView
from custom_router.tiers import Tier
from tests.docs.documents import ROOT

SIMPLE, MEDIUM = 0.74, 0.82
TIERS = {
    "simple": {"model": "s", "threshold": SIMPLE},
    "medium": {"model": "m", "threshold": MEDIUM},
    "frontier": {"model": "f"},
}
ODDS = st.floats(-16.0, 16.0)
P = st.floats(0.0, 1.0)


def document(kind: str = "hybrid", **classifier: Any) -> PolicyDocument:
    given = {
        "kind": kind,
        "hybrid": {"band": 0.05},
        "vllm": {"url": "http://localhost:8001", **classifier.pop("vllm", {})},
        **classifier,
    }
    return Policy.parse(yaml.safe_dump({"tiers": TIERS, "classifier": given})).document


def fitted(slope: float = 1.0, intercept: float = 0.0) -> dict[str, Any]:
    curves = {tier: {"slope": slope, "intercept": intercept} for tier in ("simple", "medium")}
    return {"calibration": {"fitted": True, **curves}}


def scores(simple: float, medium: float, ood: float = 0.0) -> Scores:
    return Scores({Tier.SIMPLE: simple, Tier.MEDIUM: medium, Tier.FRONTIER: 1.0}, ood, "embedding/1", "chat")


def rating(odds: float, intent: str | None = None) -> Rating:
    return Rating({Tier.SIMPLE: odds, Tier.MEDIUM: odds}, intent)


@pytest.mark.parametrize(
    ("simple", "medium", "asked"),
    [
        (0.74, 0.90, True),
        (0.70, 0.90, True),
        (0.78, 0.90, True),
        (0.80, 0.84, False),  # surely simple: what medium is does not matter
        (0.60, 0.80, True),
        (0.60, 0.90, False),
        (0.60, 0.70, False),
    ],
)
def test_it_is_asked_near_a_threshold_that_decides(simple: float, medium: float, asked: bool) -> None:
    assert worth_asking(scores(simple, medium), document()) is asked
    assert worth_asking(scores(simple, medium), document("vllm"))
    assert not worth_asking(scores(simple, medium), document("embedding"))


def test_it_is_not_asked_where_the_prompt_goes_to_the_frontier_anyway() -> None:
    unfamiliar = {"out_of_distribution": {"limit": 0.9, "tier": "frontier"}}
    assert not worth_asking(scores(0.74, 0.9, ood=0.95), document(**unfamiliar))
    assert worth_asking(scores(0.74, 0.9, ood=0.95), document(out_of_distribution={"limit": 0.9, "tier": "medium"}))


@settings(deadline=None)
@given(P, P, ODDS, st.sampled_from(["hybrid", "vllm"]))
def test_before_a_fit_a_rating_moves_nothing_out_of_the_band(a: float, b: float, odds: float, kind: str) -> None:
    policy = document(kind)
    own = scores(min(a, b), max(a, b))
    both = combined(own, rating(odds), policy, "vllm/m")
    for tier, threshold in ((Tier.SIMPLE, SIMPLE), (Tier.MEDIUM, MEDIUM)):
        before, after = own.p_ok[tier], both.p_ok[tier]
        if after != before and after != both.p_ok[Tier.SIMPLE]:
            assert abs(before - threshold) <= 0.05
            assert abs(after - threshold) <= 0.05 + 1e-9


@settings(deadline=None)
@given(P, P, ODDS, st.sampled_from(["hybrid", "vllm"]), st.booleans())
def test_what_comes_out_is_a_probability_and_medium_is_no_less_than_simple(
    a: float, b: float, odds: float, kind: str, fit: bool
) -> None:
    policy = document(kind, vllm=fitted() if fit else {})
    p_ok = combined(scores(min(a, b), max(a, b)), rating(odds), policy, "vllm/m").p_ok
    assert 0.0 <= p_ok[Tier.SIMPLE] <= p_ok[Tier.MEDIUM] <= p_ok[Tier.FRONTIER] == 1.0


@settings(deadline=None)
@given(st.floats(0.05, 0.95), ODDS, ODDS)
def test_an_easier_rating_never_lowers_p_ok(p: float, a: float, b: float) -> None:
    for policy in (document(), document(vllm=fitted())):
        low, high = (combined(scores(p, p), rating(odds), policy, "v").p_ok for odds in sorted((a, b)))
        assert low[Tier.SIMPLE] <= high[Tier.SIMPLE] + 1e-12
        assert low[Tier.MEDIUM] <= high[Tier.MEDIUM] + 1e-12


def test_fitted_weights_are_those_of_the_policy() -> None:
    policy = document(vllm=fitted(slope=2.0, intercept=-1.0), hybrid={"band": 0.05, "vllm_weight": 0.25})
    both = combined(scores(0.7, 0.8), rating(1.5), policy, "vllm/m")
    assert both.p_ok[Tier.SIMPLE] == pytest.approx(probability(0.75 * log_odds(0.7) + 0.25 * 2.0))
    assert both.source == "embedding/1+vllm/m"


def test_a_fitted_vllm_speaks_for_itself() -> None:
    both = combined(scores(0.1, 0.2), rating(1.5), document("vllm", vllm=fitted()), "vllm/m")
    assert both.p_ok[Tier.SIMPLE] == pytest.approx(probability(1.5))


def test_its_intent_counts_where_it_gives_one() -> None:
    policy = document()
    assert combined(scores(0.74, 0.8), rating(0.0, "code"), policy, "v").intent == "code"
    assert combined(scores(0.74, 0.8), rating(0.0), policy, "v").intent == "chat"


@pytest.mark.parametrize(("band", "least", "most"), [(None, 0.1, 0.33), (0.05, 0.66, 1.0)])
def test_the_shipped_band_asks_about_a_small_part_of_everyday_prompts(
    band: float | None, least: float, most: float
) -> None:
    static = StaticEncoder.load()
    head = EmbeddingClassifier.load(encoder_version=static.version)
    shipped = yaml.safe_load((ROOT / "routing_policy.yaml").read_text(encoding="utf-8"))
    shipped["classifier"]["kind"] = "hybrid"
    shipped["classifier"]["vllm"]["url"] = "http://localhost:8001"
    if band is not None:
        shipped["classifier"]["hybrid"]["band"] = band
    policy = Policy.parse(yaml.safe_dump(shipped)).document
    prompts = [*PLAIN_PROMPTS, *UNTYPICAL_PROMPTS, *(text for texts in SEEDS.values() for text in texts)]
    asked = 0
    for text in prompts:
        view = RequestView.from_chat({"messages": [{"role": "user", "content": text}]})
        asked += worth_asking(head.score(view, static.read(view.bounded).vector), policy)
    assert least <= asked / len(prompts) <= most
