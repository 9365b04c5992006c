"""`python -m custom_router.demo.deployed`: write those files of `deploy/` that follow from the shipped ones."""

from __future__ import annotations

import os
from pathlib import Path

import yaml

from custom_router.bundle import CONFIG, POLICY, bundle_root
from custom_router.demo.simulated import simulate_providers, simulated_models
from custom_router.policy import Policy

SIMULATOR_URL = "http://simulator:9000"
_IN_MEMORY = "  redis: null\n"
_IN_REDIS = '  redis: {url: "os.environ/REDIS_URL"}\n'
_NOTE = "# Made from the shipped files by `python -m custom_router.demo.deployed`.\n"


def deployed(root: Path) -> dict[str, str]:
    """Text by path below `deploy/`: the policy with the shared cache, and the simulated providers and their models.

    Raises `ValueError` where the shipped policy no longer says that entries are kept in memory.
    """
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    from custom_router.litellm_adapter import model_facts

    policy = (root / POLICY).read_text(encoding="utf-8")
    if policy.count(_IN_MEMORY) != 1:
        raise ValueError(f"{POLICY} does not hold the line {_IN_MEMORY.strip()!r} once")
    config = yaml.safe_load((root / CONFIG).read_text(encoding="utf-8"))
    models = simulated_models(config, Policy.parse(policy).document, model_facts, 1.0)
    simulator = models.model_dump(mode="json", exclude_defaults=True, exclude={"replay"})
    return {
        f"policy/{POLICY}": policy.replace(_IN_MEMORY, _IN_REDIS),
        f"simulated/{CONFIG}": _NOTE + _dump(simulate_providers(config, SIMULATOR_URL, model_facts)),
        "simulated/simulator.yaml": _NOTE + _dump(simulator),
    }


def _dump(content: object) -> str:
    return yaml.safe_dump(content, sort_keys=False, width=110)


if __name__ == "__main__":
    for name, text in deployed(bundle_root()).items():
        (bundle_root() / "deploy" / name).write_text(text, encoding="utf-8")
