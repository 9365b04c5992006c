"""What the rules look at: both files read, their deployments in place, and what is known from outside them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import yaml

from custom_router.check.config import Config, KeyPath, dotted
from custom_router.check.finding import CheckFinding, Severity
from custom_router.deployments import Deployment, ModelFacts, read_deployments
from custom_router.policy.load import line_of
from custom_router.policy.overrides import Overrides
from custom_router.policy.schema import PolicyDocument
from custom_router.tiers import TIERS, Tier


@dataclass(frozen=True, slots=True)
class Outside:
    """What the rules need to know beyond the two files.

    `supported_params` gives the OpenAI parameters that LiteLLM passes on for a model, None for one it does not
    know. `hook_files` are the names of the Python files in the `hooks` folder beside the config.
    """

    facts: ModelFacts
    supported_params: Callable[[str], Collection[str] | None]
    environment: Mapping[str, str]
    today: date
    hook_files: Collection[str]
    require_keys: bool = False


@dataclass(frozen=True, slots=True)
class Listed:
    """A deployment and its index in `model_list`."""

    index: int
    deployment: Deployment

    def at(self, *keys: str) -> KeyPath:
        """Path of one of its keys."""
        return ("model_list", self.index, *keys)

    @property
    def supplier(self) -> str:
        """Who fails together with it: its provider, and the address where one is given."""
        base = self.deployment.params.get("api_base")
        return f"{self.deployment.provider} at {base}" if base else self.deployment.provider


@dataclass(frozen=True, slots=True)
class Subject:
    """A configuration with the policy it must serve."""

    config: Config
    policy: PolicyDocument
    policy_file: str
    policy_root: yaml.Node | None
    outside: Outside
    listed: tuple[Listed, ...]
    overrides: Overrides | None = None

    @property
    def groups(self) -> set[str]:
        """Every model group that the configuration names."""
        return {item.deployment.group for item in self.listed}

    def group(self, tier: Tier) -> str:
        """The tier's model group."""
        return self.policy.tiers[tier].model

    def tier_of(self, group: object) -> Tier | None:
        """The tier that a model group serves."""
        return next((tier for tier in TIERS if self.group(tier) == group), None)

    def members(self, tier: Tier) -> list[Listed]:
        """The tier's deployments, first choice first."""
        found = [item for item in self.listed if item.deployment.group == self.group(tier)]
        return sorted(found, key=lambda item: item.deployment.order)

    def in_tiers(self) -> Iterator[tuple[Tier, Listed]]:
        """Every deployment of every tier."""
        for tier in TIERS:
            for item in self.members(tier):
                yield tier, item

    def policy_finding(self, severity: Severity, path: KeyPath, message: str, mend: str = "") -> CheckFinding:
        """A finding at a key of the policy file, or of its overrides."""
        file, root = self.policy_file, self.policy_root
        if self.overrides is not None and self.overrides.holds(path):
            file, root = str(self.overrides.path), self.overrides.root
        return CheckFinding(severity, file, line_of(root, path), dotted(path), message, mend)


def list_deployments(config: Config, facts: ModelFacts) -> tuple[Listed, ...]:
    """The deployments of `model_list` with their index; malformed entries are left out."""
    return tuple(
        Listed(index, deployment)
        for index, entry in enumerate(config.model_list())
        if is_deployment(entry)
        for deployment in read_deployments([entry], facts)
    )


def is_deployment(entry: Any) -> bool:
    """Whether an entry of `model_list` has the shape that LiteLLM reads."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get("model_name"), str):
        return False
    params, info = entry.get("litellm_params"), entry.get("model_info")
    return (
        isinstance(params, Mapping)
        and isinstance(params.get("model"), str)
        and (info is None or isinstance(info, Mapping))
    )
