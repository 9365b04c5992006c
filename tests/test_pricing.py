"""Prices by LiteLLM's calculator: the same as LiteLLM bills, and a baseline that claims no saving from a guess."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import litellm
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litellm import Router
from litellm.types.utils import Usage

from custom_router.deployments import read_deployments
from custom_router.litellm_adapter import model_facts
from custom_router.litellm_adapter.pricing import (
    Rates,
    alternatives,
    billed_in_vain,
    paid,
    plain_usage,
    read_rates,
    tokens_of,
    usage_of,
)
from custom_router.records.record import TokenFields
from custom_router.tiers import Tier

OPUS = "anthropic/claude-opus-5-5"
OWN = {"input_cost_per_token": "1e-6", "output_cost_per_token": 4e-6}
"""YAML reads 1e-6 as a text."""


def entry(group: str, model: str, info: dict[str, Any] | None = None, **params: Any) -> dict[str, Any]:
    return {
        "model_name": group,
        "litellm_params": {"model": model, "api_key": "x", **params},
        "model_info": {"id": f"pricing-{group}", **(info or {})},
    }


ENTRIES = [
    entry("own", "openai/some-model", **OWN),
    entry("cached", "openai/some-model", cache_read_input_token_cost=1e-7, **OWN),
    entry("inherits", OPUS, input_cost_per_token=4e-6, output_cost_per_token=2e-5),
    entry("map", OPUS),
    entry("base", "openai/alias", {"base_model": OPUS}),
    entry("thinks", "openai/some-model", output_cost_per_reasoning_token=8e-6, **OWN),
    entry("pictures", "openai/some-model", input_cost_per_image_token=3e-6, input_cost_per_audio_token=5e-6, **OWN),
]


@pytest.fixture(scope="module")
def rates() -> dict[str, Rates]:
    """The prices of every deployment above, by group."""
    router = Router(model_list=[dict(one) for one in ENTRIES])
    known = {d.id: d for d in read_deployments(router.model_list, model_facts) if d.id}
    return {key.removeprefix("pricing-"): found for key, found in read_rates(router.model_list, known).items()}


def usage(sent: int = 1_000, made: int = 100, *, prompt: Any = None, completion: Any = None) -> Usage:
    return Usage(
        prompt_tokens=sent,
        completion_tokens=made,
        total_tokens=sent + made,
        prompt_tokens_details=prompt,
        completion_tokens_details=completion,
    )


READ = {"cached_tokens": 600}
WRITTEN = {"cached_tokens": 600, "cache_creation_tokens": 200}
USAGES = {
    "plain": usage(),
    "cached": usage(prompt=READ),
    "written": usage(prompt=WRITTEN),
    "reasoning": usage(completion={"reasoning_tokens": 60}),
    "pictures": usage(prompt={"image_tokens": 300, "audio_tokens": 100, "text_tokens": 600}),
    "long": usage(sent=400_000),
}


@pytest.mark.parametrize("told", USAGES)
@pytest.mark.parametrize("group", [one["model_name"] for one in ENTRIES])
def test_a_price_is_the_one_that_litellm_bills(rates: dict[str, Rates], group: str, told: str) -> None:
    model, provider = {"map": (OPUS, "anthropic"), "base": (OPUS, "anthropic")}.get(
        group, (f"pricing-{group}", "openai")
    )
    billed = litellm.cost_per_token(model=model, custom_llm_provider=provider, usage_object=USAGES[told])
    assert rates[group].of(USAGES[told]) == pytest.approx(sum(billed))


def test_what_is_cached_thought_or_seen_has_its_own_price(rates: dict[str, Rates]) -> None:
    plain = rates["own"].of(USAGES["plain"])
    assert plain == pytest.approx(1_000 * 1e-6 + 100 * 4e-6)
    assert rates["own"].of(USAGES["cached"]) == pytest.approx(plain), "no price of cached tokens is known"
    assert rates["cached"].of(USAGES["cached"]) == pytest.approx(plain - 600 * 9e-7)
    assert rates["thinks"].of(USAGES["reasoning"]) == pytest.approx(plain + 60 * 4e-6)
    assert rates["pictures"].of(USAGES["pictures"]) == pytest.approx(plain + 300 * 2e-6 + 100 * 4e-6)


def test_the_usage_of_anthropic_counts_what_was_read_and_written(rates: dict[str, Rates]) -> None:
    given_ = {
        "input_tokens": 200,
        "cache_read_input_tokens": 600,
        "cache_creation_input_tokens": 200,
        "output_tokens": 100,
    }
    told = litellm.AnthropicConfig().calculate_usage(usage_object=given_, reasoning_content=None)
    found = usage_of({"metadata": {"usage_object": told.model_dump()}})
    assert tokens_of(found) == TokenFields(1_000, 100, cached_input=600, cache_written=200)
    billed = litellm.cost_per_token(model=OPUS, custom_llm_provider="anthropic", usage_object=told)
    assert rates["map"].of(found) == pytest.approx(sum(billed))


def test_a_text_completion_that_overwrites_a_price_changes_nothing_here(rates: dict[str, Rates]) -> None:
    before = rates["own"].of(USAGES["plain"])
    held = dict(litellm.model_cost["pricing-own"])
    try:
        litellm.model_cost["pricing-own"] = {"litellm_provider": "openai"}
        router = Router(model_list=[])
        router.model_list = [dict(ENTRIES[0])]
        known = {d.id: d for d in read_deployments(router.model_list, model_facts) if d.id}
        again = read_rates(router.model_list, known)
    finally:
        litellm.model_cost["pricing-own"] = held
    assert again["pricing-own"].of(USAGES["plain"]) == before


def test_prices_are_read_again_only_where_they_have_changed() -> None:
    entries = [entry("a", "openai/some-model", **OWN), entry("b", "openai/some-model", **OWN)]
    known = {d.id: d for d in read_deployments(entries, model_facts) if d.id}
    first = read_rates(entries, known)
    entries[1]["litellm_params"]["output_cost_per_token"] = 8e-6
    again = read_rates(entries, known, first)
    assert again["pricing-a"] is first["pricing-a"]
    assert again["pricing-b"].of(usage(0, 100)) == pytest.approx(100 * 8e-6)


# ---------------------------------------------------------------- elsewhere


def test_the_model_that_answered_keeps_its_cache_and_another_gets_the_lower_price(rates: dict[str, Rates]) -> None:
    first = {Tier.SIMPLE: rates["cached"], Tier.FRONTIER: rates["map"]}
    opus = {"input": 5e-6}
    facts = model_facts(OPUS)
    opus["input"], read = facts["input_cost_per_token"], facts["cache_read_input_token_cost"]
    found = alternatives(first, USAGES["written"], rates["cached"].model)
    assert found["simple"] == rates["cached"].of(USAGES["written"])
    made = 100 * facts["output_cost_per_token"]
    assert found["frontier"] == pytest.approx(600 * read + 400 * opus["input"] + made), "written tokens as plain input"
    own = alternatives(first, USAGES["written"], OPUS)
    assert own["frontier"] == rates["map"].of(USAGES["written"]) > found["frontier"]


@given(
    sent=st.integers(0, 10**6),
    made=st.integers(0, 10**5),
    cached=st.floats(0, 1),
    written=st.floats(0, 1),
    thought=st.floats(0, 1),
)
def test_no_baseline_is_above_the_one_without_any_cache(
    rates: dict[str, Rates], sent: int, made: int, cached: float, written: float, thought: float
) -> None:
    read = int(sent * cached)
    new = int((sent - read) * written)
    told = usage(
        sent, made, prompt={"cached_tokens": read, "cache_creation_tokens": new},
        completion={"reasoning_tokens": int(made * thought)},
    )  # fmt: skip
    plain = usage(sent, made, completion={"reasoning_tokens": int(made * thought)})
    found = alternatives({Tier.FRONTIER: rates["map"], Tier.MEDIUM: rates["own"]}, told, "some/other")
    if sent + made == 0:
        assert found == {}
    else:
        assert 0 <= found["frontier"] <= (rates["map"].of(plain) or 0.0) * (1 + 1e-9)
        assert found["medium"] == pytest.approx(rates["own"].of(plain))


# ---------------------------------------------------------------- what LiteLLM hands over


def test_what_was_billed_stands_and_only_nothing_is_priced_anew(rates: dict[str, Rates]) -> None:
    assert paid(0.5, USAGES["plain"], rates["own"]) == 0.5
    assert paid(0.0, USAGES["plain"], rates["own"]) == rates["own"].of(USAGES["plain"])
    assert paid(None, USAGES["plain"], None) is None
    assert paid(0.0, plain_usage(TokenFields()), rates["own"]) is None


@pytest.mark.parametrize("odd", [None, [], {}, {"usage_object": {"prompt_tokens": "many"}}, {"usage_object": 7}])
def test_usage_of_an_odd_shape_falls_back_to_the_two_sums(odd: Any) -> None:
    found = usage_of({"metadata": odd, "prompt_tokens": 10, "completion_tokens": 5})
    assert tokens_of(found) == TokenFields(10, 5)


def test_a_price_that_is_no_price_is_unknown(rates: dict[str, Rates]) -> None:
    odd = entry("odd", "openai/some-model", **OWN)
    (deployment,) = read_deployments([odd], model_facts)
    odd["litellm_params"]["output_cost_per_token"] = float("inf")
    assert Rates(deployment, odd).of(USAGES["plain"]) is None


def test_what_a_failure_is_billed_is_litellms_word_and_no_clients() -> None:
    usage = Usage(prompt_tokens=7, completion_tokens=3, total_tokens=10)
    attempt = SimpleNamespace(response_cost=0.25)
    assert billed_in_vain({"combined_usage_object": usage, "response_cost": 0.5}) == (0.5, TokenFields(7, 3))
    both = {"combined_usage_object": usage, "response_cost": 0.5, "billed_failed_attempts": (attempt, attempt)}
    assert billed_in_vain(both) == (1.0, TokenFields(7, 3))
    for sent in (
        {},
        {"response_cost": 9.0},
        {"combined_usage_object": {"prompt_tokens": 9}, "response_cost": 9.0},
        {"billed_failed_attempts": [{"response_cost": 9.0}]},
        {"combined_usage_object": usage, "response_cost": 0.0},
        {"combined_usage_object": usage, "response_cost": -1.0},
        {"combined_usage_object": usage, "response_cost": None},
    ):
        assert billed_in_vain(sent) == (None, None), sent
