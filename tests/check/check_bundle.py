"""A small valid bundle, and a way to change one thing in it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import yaml

from custom_router.check import CheckFinding, Outside, check_texts

TODAY = date(2026, 6, 1)
FACTS: Mapping[str, Mapping[str, Any]] = {
    "alpha/small": {"litellm_provider": "alpha", "input_cost_per_token": 1e-7, "output_cost_per_token": 2e-7},
    "alpha/big": {
        "litellm_provider": "alpha",
        "input_cost_per_token": 4e-6,
        "output_cost_per_token": 2e-5,
        "supports_vision": True,
        "max_input_tokens": 200_000,
    },
    "beta/small": {"litellm_provider": "beta", "input_cost_per_token": 1e-7, "output_cost_per_token": 3e-7},
    "beta/mid": {
        "litellm_provider": "beta",
        "input_cost_per_token": 8e-7,
        "output_cost_per_token": 4e-6,
        "supports_vision": True,
    },
    "gamma/mid": {
        "litellm_provider": "gamma",
        "input_cost_per_token": 7e-7,
        "output_cost_per_token": 4e-6,
        "supports_vision": True,
    },
    "beta/big": {
        "litellm_provider": "beta",
        "input_cost_per_token": 5e-6,
        "output_cost_per_token": 2e-5,
        "supports_vision": True,
    },
    "beta/old": {
        "litellm_provider": "beta",
        "input_cost_per_token": 8e-7,
        "output_cost_per_token": 4e-6,
        "supports_vision": True,
        "deprecation_date": "2026-05-31",
    },
    "beta/ageing": {
        "litellm_provider": "beta",
        "input_cost_per_token": 8e-7,
        "output_cost_per_token": 4e-6,
        "supports_vision": True,
        "deprecation_date": "2026-07-31",
    },
}
SUPPORTED = {"alpha/small": ["logprobs", "top_logprobs"], "beta/small": ["logprobs"], "alpha/big": ["tools"]}


def _deployment(group: str, model: str, order: int) -> dict[str, Any]:
    key = f"os.environ/{model.partition('/')[0].upper()}_KEY"
    return {
        "model_name": group,
        "litellm_params": {"model": model, "api_key": key, "order": order, "timeout": 30, "max_retries": 0},
    }


CONFIG: dict[str, Any] = {
    "model_list": [
        _deployment("tier-simple", "alpha/small", 1),
        _deployment("tier-simple", "beta/small", 2),
        _deployment("tier-medium", "beta/mid", 1),
        _deployment("tier-medium", "gamma/mid", 2),
        _deployment("tier-frontier", "alpha/big", 1),
        _deployment("tier-frontier", "beta/big", 2),
        {
            "model_name": "cache-hit",
            "litellm_params": {
                "model": "tier-router-cache/stored-answer",
                "input_cost_per_token": 0,
                "output_cost_per_token": 0,
            },
        },
    ],
    "router_settings": {
        "model_group_alias": {"auto": "tier-frontier"},
        "fallbacks": [{"tier-simple": ["tier-medium", "tier-frontier"]}, {"tier-medium": ["tier-frontier"]}],
        "context_window_fallbacks": [{"tier-simple": ["tier-frontier"]}, {"tier-medium": ["tier-frontier"]}],
        "num_retries": 0,
    },
    "litellm_settings": {
        "custom_provider_map": [{"provider": "tier-router-cache", "custom_handler": "hooks.cache_hit.handler"}],
        "callbacks": ["hooks.pre_call.handler", "hooks.post_call.handler"],
    },
    "general_settings": {"master_key": "os.environ/MASTER"},
}
POLICY: dict[str, Any] = {
    "tiers": {
        "simple": {"model": "tier-simple", "threshold": 0.6},
        "medium": {"model": "tier-medium", "threshold": 0.6},
        "frontier": {"model": "tier-frontier"},
    }
}
OUTSIDE = Outside(
    facts=lambda model: FACTS.get(model, {}),
    supported_params=SUPPORTED.get,
    environment=dict.fromkeys(("ALPHA_KEY", "BETA_KEY", "GAMMA_KEY", "MASTER"), "set"),
    today=TODAY,
    hook_files={"pre_call.py", "post_call.py", "cache_hit.py"},
)


class Bundle:
    """Both files as mappings to change, and what the rules say of them."""

    def __init__(self) -> None:
        self.config = copy.deepcopy(CONFIG)
        self.policy = copy.deepcopy(POLICY)
        self.outside = OUTSIDE

    def params(self, index: int) -> dict[str, Any]:
        params: dict[str, Any] = self.config["model_list"][index]["litellm_params"]
        return params

    def know(self, **changes: Any) -> None:
        self.outside = replace(self.outside, **changes)

    def findings(self) -> list[CheckFinding]:
        """Everything but notes."""
        return [f for f in self.all() if f.severity != "note"]

    def all(self) -> list[CheckFinding]:
        config, policy = (yaml.safe_dump(data, sort_keys=False).encode() for data in (self.config, self.policy))
        return check_texts(config, policy, self.outside, config_file="config.yaml", policy_file="policy.yaml")

    def only(self) -> CheckFinding:
        """The one finding that there must be."""
        found = self.findings()
        assert len(found) == 1, [str(f) for f in found]
        return found[0]

    def line_holds(self, finding: CheckFinding, text: str) -> bool:
        """Whether the line that a finding of the config names holds `text`."""
        return text in yaml.safe_dump(self.config, sort_keys=False).splitlines()[finding.line - 1]
