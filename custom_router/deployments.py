"""What the tiers' deployments are and can do, read from LiteLLM's model list. Free of LiteLLM types."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from custom_router.decision import Capability
from custom_router.policy.schema import Tiers
from custom_router.records.cost import Price
from custom_router.tiers import TIERS, Tier

ModelFacts = Callable[[str], Mapping[str, Any]]
"""LiteLLM model name → its entry in LiteLLM's price map; empty for a model it does not know."""
CACHE_PROVIDER = "tier-router-cache"
"""Name of the LiteLLM provider that answers with stored answers, at no cost."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """One entry of `model_list`. `price` is None where neither the entry nor the price map names one."""

    group: str
    id: str | None
    model: str
    provider: str
    order: int
    price: Price | None
    vision: bool
    max_input_tokens: int | None
    deprecation_date: str | None
    facts: Mapping[str, Any]
    params: Mapping[str, Any]


def read_deployments(model_list: Iterable[Any], facts: ModelFacts) -> list[Deployment]:
    """Read `model_list`; entries that are not of its shape are left out (`check` names them)."""
    return [d for entry in model_list if (d := _read(entry, facts)) is not None]


def _read(entry: Any, facts: ModelFacts) -> Deployment | None:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("litellm_params"), Mapping):
        return None
    params, info = entry["litellm_params"], entry.get("model_info") or {}
    if not isinstance(info, Mapping):
        return None
    group, model = entry.get("model_name"), params.get("model")
    if not isinstance(group, str) or not isinstance(model, str):
        return None
    # An operator's own `model_info` and prices win over the map; `base_model` names the map entry of an alias.
    known = {**facts(str(info.get("base_model") or model)), **{k: v for k, v in info.items() if v is not None}}
    order = params.get("order")
    window = known.get("max_input_tokens")
    return Deployment(
        group=group,
        id=str(info["id"]) if info.get("id") is not None else None,
        model=model,
        provider=str(params.get("custom_llm_provider") or known.get("litellm_provider") or model.partition("/")[0]),
        order=order if isinstance(order, int) and not isinstance(order, bool) else 1,
        price=_price(params, known),
        vision=known.get("supports_vision") is True,
        max_input_tokens=window if isinstance(window, int) else None,
        deprecation_date=known.get("deprecation_date"),
        facts=known,
        params=params,
    )


def _price(params: Mapping[str, Any], known: Mapping[str, Any]) -> Price | None:
    read = [_dollars(params, known, key) for key in ("input_cost_per_token", "output_cost_per_token")]
    return Price(read[0], read[1]) if read[0] is not None and read[1] is not None else None


def _dollars(params: Mapping[str, Any], known: Mapping[str, Any], key: str) -> float | None:
    value = params.get(key)
    if value is None:
        value = known.get(key)
    # YAML reads `1e-6`, unlike `1.0e-6`, as a text; LiteLLM takes both.
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        price = float(value)
    except (ValueError, OverflowError):
        return None
    return price if math.isfinite(price) and price >= 0 else None


def cache_group(deployments: Iterable[Deployment]) -> str | None:
    """The model group that serves stored answers; None where the configuration has none."""
    return next((d.group for d in deployments if d.model.startswith(f"{CACHE_PROVIDER}/")), None)


def of_tier(deployments: Iterable[Deployment], tiers: Tiers, tier: Tier) -> list[Deployment]:
    """The tier's deployments, first choice first."""
    return sorted((d for d in deployments if d.group == tiers[tier].model), key=lambda d: d.order)


def capabilities(deployments: list[Deployment], tiers: Tiers) -> dict[Tier, Capability]:
    """What *every* deployment of each tier can take, since any of them may answer.

    A tier without deployments is left out: nothing is known of it.
    """
    found = {}
    for tier in TIERS:
        members = of_tier(deployments, tiers, tier)
        if members:
            windows = [d.max_input_tokens for d in members if d.max_input_tokens is not None]
            found[tier] = Capability(all(d.vision for d in members), min(windows, default=None))
    return found


def first_priced(deployments: list[Deployment], tiers: Tiers) -> dict[Tier, Deployment]:
    """Each tier's first deployment with a price; a tier without one is left out."""
    found = {tier: next((d for d in of_tier(deployments, tiers, tier) if d.price is not None), None) for tier in TIERS}
    return {tier: deployment for tier, deployment in found.items() if deployment is not None}


def tier_prices(deployments: list[Deployment], tiers: Tiers) -> dict[Tier, Price]:
    """The price a token of each tier's first priced deployment."""
    return {tier: d.price for tier, d in first_priced(deployments, tiers).items() if d.price is not None}


def tier_models(deployments: list[Deployment], tiers: Tiers) -> str:
    """The models of every tier, the same text for the same models: an answer is given again only while they answer."""
    named = (f"{tier.value}={','.join(sorted({d.model for d in of_tier(deployments, tiers, tier)}))}" for tier in TIERS)
    return " ".join(named)
