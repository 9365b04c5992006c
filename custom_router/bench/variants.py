"""The proxies that are compared, as LiteLLM configurations made from the product's own. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from copy import deepcopy
from enum import StrEnum
from typing import Any

from custom_router.policy.schema import Tiers


class Variant(StrEnum):
    """One of the compared proxies. All have the same deployments, simulator and settings."""

    BARE = "bare"
    """LiteLLM without callbacks; `auto` is an alias of the simple tier, where the product sends these prompts too:
    what LiteLLM itself spends on a request differs between deployments."""
    EMPTY_HOOKS = "empty_hooks"
    """LiteLLM with the product's hook methods, empty."""
    PLUGIN = "plugin"
    """The product."""
    UNGATED = "ungated"
    """The product with its gate off: what is between the two is the gate's."""
    COMPLEXITY = "complexity"
    """LiteLLM's own complexity router, with its default rules, over the same three tiers."""


VARIANTS = tuple(Variant)
_EMPTY = ["custom_router.bench.empty_hooks.pre_call", "custom_router.bench.empty_hooks.post_call"]


def variant_config(
    product: Mapping[str, Any], variant: Variant, entry_models: Collection[str], tiers: Tiers
) -> dict[str, Any]:
    """`variant`'s configuration, made from the product's. Model groups that are no tier belong to the product."""
    config: dict[str, Any] = deepcopy(dict(product))
    if variant in (Variant.PLUGIN, Variant.UNGATED):
        return config
    groups = {tiers.simple.model, tiers.medium.model, tiers.frontier.model}
    config["model_list"] = [entry for entry in config["model_list"] if entry["model_name"] in groups]
    settings = config.setdefault("litellm_settings", {})
    for key in ("callbacks", "custom_provider_map"):
        settings.pop(key, None)
    aliases = config.setdefault("router_settings", {}).setdefault("model_group_alias", {})
    aliases.update(dict.fromkeys(entry_models, tiers.simple.model))
    if variant is Variant.EMPTY_HOOKS:
        settings["callbacks"] = list(_EMPTY)
    if variant is Variant.COMPLEXITY:
        for name in entry_models:
            aliases.pop(name, None)
            config["model_list"].append(_complexity_entry(name, tiers))
    return config


def _complexity_entry(name: str, tiers: Tiers) -> dict[str, Any]:
    return {
        "model_name": name,
        "litellm_params": {
            "model": "auto_router/complexity_router",
            "complexity_router_default_model": tiers.frontier.model,
            "complexity_router_config": {
                "tiers": {
                    "SIMPLE": tiers.simple.model,
                    "MEDIUM": tiers.medium.model,
                    "COMPLEX": tiers.frontier.model,
                    "REASONING": tiers.frontier.model,
                }
            },
        },
    }
