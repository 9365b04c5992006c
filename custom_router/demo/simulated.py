"""A LiteLLM configuration with every provider replaced by the simulator, and nothing else changed."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from custom_router.deployments import CACHE_PROVIDER, ModelFacts, read_deployments
from custom_router.policy.schema import PolicyDocument
from custom_router.simulator.config import ModelSpec, SimulatorConfig
from custom_router.tiers import TIERS, Tier

# Typical of hosted models in 2026: time to first token in ms, its spread, tokens a second.
_SPEED = {Tier.SIMPLE: (120.0, 0.15, 400.0), Tier.MEDIUM: (200.0, 0.15, 250.0), Tier.FRONTIER: (400.0, 0.2, 150.0)}

# A router of LiteLLM's own, and the cache's stored answers.
_NO_PROVIDER = ("auto_router/", f"{CACHE_PROVIDER}/")


def simulate_providers(config: Mapping[str, Any], simulator_url: str, facts: ModelFacts) -> dict[str, Any]:
    """The configuration with each deployment pointed at `simulator_url/<provider>/v1` through OpenAI's protocol.

    Groups, orders, timeouts, prices, fallbacks and callbacks stay as they are; `base_model` keeps the real model's
    abilities known. No key is needed or sent.
    """
    changed: dict[str, Any] = deepcopy(dict(config))
    entries = changed.get("model_list") or []
    for entry, deployment in zip(entries, read_deployments(entries, facts), strict=True):
        if deployment.model.startswith(_NO_PROVIDER):
            continue
        params = entry["litellm_params"]
        name = deployment.model.split("/", 1)[-1]
        hosted = deployment.model.startswith("hosted_vllm/")
        params["model"] = deployment.model if hosted else f"openai/{name}"
        params["api_base"] = f"{simulator_url}/{deployment.provider}/v1"
        params["api_key"] = "simulated"
        if not hosted:
            entry.setdefault("model_info", {}).setdefault("base_model", deployment.model)
    return changed


def simulated_models(
    config: Mapping[str, Any], policy: PolicyDocument, facts: ModelFacts, latency_scale: float
) -> SimulatorConfig:
    """The simulator's settings for a configuration: each tier's speed, each model's abilities."""
    tier_of = {policy.tiers[tier].model: tier for tier in TIERS}
    models = {}
    for deployment in read_deployments(config.get("model_list") or [], facts):
        if deployment.model.startswith(_NO_PROVIDER):
            continue
        latency, sigma, speed = _SPEED[tier_of.get(deployment.group, Tier.FRONTIER)]
        models[deployment.model.split("/", 1)[-1]] = ModelSpec(
            latency_ms=latency, sigma=sigma, tokens_per_second=speed, vision=deployment.vision
        )
    return SimulatorConfig(models=models, latency_scale=latency_scale)


def write_yaml(path: Path, content: Mapping[str, Any]) -> Path:
    """Write one YAML file, folders included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(dict(content), sort_keys=False), encoding="utf-8")
    return path
