"""LiteLLM's model list read without trust in its shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_router.deployments import Deployment, capabilities, first_priced, of_tier, read_deployments, tier_prices
from custom_router.policy.schema import Tiers
from custom_router.records.cost import Price
from custom_router.tiers import Tier

TIERS_ = Tiers.model_validate(
    {
        "simple": {"model": "s", "threshold": 0.5},
        "medium": {"model": "m", "threshold": 0.5},
        "frontier": {"model": "f"},
    }
)
MAP: dict[str, Mapping[str, Any]] = {
    "openai/big": {
        "input_cost_per_token": 1e-5,
        "output_cost_per_token": 3e-5,
        "supports_vision": True,
        "max_input_tokens": 100_000,
        "litellm_provider": "openai",
        "deprecation_date": "2030-01-01",
    }
}


def facts(model: str) -> Mapping[str, Any]:
    return MAP.get(model, {})


def entry(group: str = "f", model: str = "openai/big", info: Any = None, **params: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"model_name": group, "litellm_params": {"model": model, **params}}
    return made if info is None else {**made, "model_info": info}


def read(*entries: Any) -> list[Deployment]:
    return read_deployments(entries, facts)


def test_an_entry_takes_its_facts_from_the_map() -> None:
    (found,) = read(entry(info={"id": "d1"}, order=2))
    assert (found.group, found.id, found.provider, found.order) == ("f", "d1", "openai", 2)
    assert (found.price, found.vision, found.max_input_tokens) == (Price(1e-5, 3e-5), True, 100_000)
    assert found.deprecation_date == "2030-01-01"


def test_the_operators_own_facts_win_and_a_base_model_names_the_map_entry() -> None:
    (found,) = read(
        entry(
            model="azure/ours",
            info={"base_model": "openai/big", "supports_vision": False, "max_input_tokens": None},
            input_cost_per_token=0,
        )
    )
    assert (found.price, found.vision, found.max_input_tokens) == (Price(0.0, 3e-5), False, 100_000)


@pytest.mark.parametrize(
    ("given_", "price"),
    [
        ("1e-6", Price(1e-6, 3e-5)),  # what YAML makes of an unquoted 1e-6
        (None, Price(1e-5, 3e-5)),
        (True, None),
        ("cheap", None),
        (float("nan"), None),
        (float("inf"), None),
        (-1, None),
        (10**400, None),
        ([], None),
    ],
)
def test_prices_are_numbers_or_unknown(given_: object, price: Price | None) -> None:
    assert read(entry(input_cost_per_token=given_))[0].price == price


def test_an_unknown_model_has_no_facts() -> None:
    (found,) = read(entry(model="vllm/mine"))
    assert (found.price, found.vision, found.max_input_tokens, found.provider) == (None, False, None, "vllm")


@pytest.mark.parametrize(("given_", "read_"), [(7, "7"), ("x", "x"), (None, None)])
def test_an_id_is_a_text_as_litellm_makes_it(given_: object, read_: str | None) -> None:
    assert read(entry(info={"id": given_}))[0].id == read_


@pytest.mark.parametrize(
    "odd",
    [None, 1, "x", [], {}, {"model_name": "s"}, entry(group=3), {"model_name": "s", "litellm_params": []},  # type: ignore[arg-type]
     {"model_name": "s", "litellm_params": {"model": None}}, entry(info="text"), entry(info=[1])],
)  # fmt: skip
def test_entries_of_another_shape_are_left_out(odd: object) -> None:
    good = entry()
    assert [d.group for d in read(odd, good)] == ["f"]


_values: st.SearchStrategy[Any] = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
_odd: st.SearchStrategy[Any] = _values | st.just([]) | st.just({})
_params = ("order", "input_cost_per_token", "output_cost_per_token", "custom_llm_provider")
_info = st.sampled_from(["id", "base_model", "supports_vision", "max_input_tokens"])


@given(
    params=st.fixed_dictionaries({"model": st.just("openai/big") | _odd}, optional=dict.fromkeys(_params, _odd)),
    info=st.dictionaries(_info, _odd) | _odd,
)
def test_no_entry_breaks_the_reading(params: Any, info: Any) -> None:
    found = read({"model_name": "f", "litellm_params": params, "model_info": info})
    capabilities(found, TIERS_)
    for deployment in found:
        assert isinstance(deployment.order, int)
        assert deployment.id is None or isinstance(deployment.id, str)


def test_a_tier_can_do_what_all_of_its_deployments_can() -> None:
    found = read(entry(), entry(model="vllm/blind", info={"max_input_tokens": 8_000}), entry(group="s"))
    known = capabilities(found, TIERS_)
    assert (known[Tier.FRONTIER].vision, known[Tier.FRONTIER].max_input_tokens) == (False, 8_000)
    assert (known[Tier.SIMPLE].vision, known[Tier.SIMPLE].max_input_tokens) == (True, 100_000)
    assert Tier.MEDIUM not in known


def test_deployments_come_in_their_order_and_the_first_price_is_the_baseline() -> None:
    found = read(entry(order=2), entry(model="vllm/free", order=1), entry(group="s"))
    assert [d.model for d in of_tier(found, TIERS_, Tier.FRONTIER)] == ["vllm/free", "openai/big"]
    assert [d.model for d in first_priced(found, TIERS_).values()] == ["openai/big", "openai/big"]
    assert tier_prices(found, TIERS_)[Tier.FRONTIER] == Price(1e-5, 3e-5)
    assert first_priced([], TIERS_) == {}
