"""All rules over both files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import yaml

from custom_router.check import cache, domains, keys, prices, tiers, traffic
from custom_router.check.config import Config, parse_config
from custom_router.check.finding import CheckFinding, Severity
from custom_router.check.subject import Outside, Subject, is_deployment, list_deployments
from custom_router.policy.load import Policy, PolicyError

_RULES: tuple[Callable[[Subject], Iterator[CheckFinding]], ...] = (
    domains.known_to_model,
    tiers.groups_exist,
    tiers.second_provider,
    tiers.of_one_tier,
    tiers.timeouts,
    tiers.deprecations,
    tiers.frontier_sees,
    prices.known,
    prices.rising,
    traffic.entry_models,
    traffic.fallbacks_upward,
    traffic.retries,
    traffic.callbacks,
    cache.served,
    tiers.abilities,
)


def check_texts(
    config_text: bytes, policy_text: bytes, outside: Outside, *, config_file: str, policy_file: str
) -> list[CheckFinding]:
    """Every finding over the content of both files: the policy's first, each file from top to bottom.

    Where one file cannot be used, only what needs the other alone is checked.
    """
    found: list[CheckFinding] = []
    config, problems = parse_config(config_text, config_file)
    found += problems
    policy: Policy | None = None
    try:
        policy = Policy.parse(policy_text, source=policy_file)
    except PolicyError as error:
        found += [CheckFinding(Severity.ERROR, f.file, f.line, f.path, f.message) for f in error.findings]
    if config is not None:
        found += _model_list(config)
        found += keys.literals(config)
        found += keys.environment(config, outside.environment, required=outside.require_keys)
        found += keys.master_key(config, outside.environment)
    if config is not None and policy is not None:
        root = yaml.compose(policy_text.decode("utf-8-sig"), Loader=yaml.SafeLoader)
        listed = list_deployments(config, outside.facts)
        subject = Subject(config, policy.document, policy_file, root, outside, listed, policy.overrides)
        for rule in _RULES:
            found += rule(subject)
    return sorted(found, key=lambda f: (f.file != policy_file, f.line, f.path))


def _model_list(config: Config) -> Iterator[CheckFinding]:
    entries: Any = config.data.get("model_list")
    if not isinstance(entries, list) or not entries:
        yield config.finding(
            Severity.ERROR, ("model_list",), "is not a list of deployments", "`tier-router init` writes one"
        )
        return
    for index, entry in enumerate(entries):
        if not is_deployment(entry):
            yield config.finding(
                Severity.ERROR,
                ("model_list", index),
                "is not a deployment",
                "it needs `model_name` and `litellm_params` with a `model`",
            )
