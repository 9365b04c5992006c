"""Rules about the cache: what LiteLLM needs to give stored answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from custom_router.check.finding import CheckFinding, Severity
from custom_router.check.subject import Subject
from custom_router.deployments import CACHE_PROVIDER, Deployment

_HANDLER = "hooks.cache_hit.handler"


def served(subject: Subject) -> Iterator[CheckFinding]:
    """With the cache on there is a free model group for stored answers, and the plugin serves it."""
    if not subject.policy.cache.enabled:
        return
    item = next((item for item in subject.listed if item.deployment.model.startswith(f"{CACHE_PROVIDER}/")), None)
    if item is None:
        yield subject.config.finding(
            Severity.WARNING,
            ("model_list",),
            f"no model group of the provider {CACHE_PROVIDER!r}: the cache is on but serves nothing",
            f"add `cache-hit` with `model: {CACHE_PROVIDER}/stored-answer`, as `tier-router init` writes it, "
            "or set `cache.enabled: false` in the policy",
        )
        return
    if not _free(item.deployment):
        yield subject.config.finding(
            Severity.ERROR,
            item.at("litellm_params"),
            "stored answers cost nothing, but this group has a price or none",
            "set `input_cost_per_token: 0` and `output_cost_per_token: 0`",
        )
    at = ("litellm_settings", "custom_provider_map")
    given = subject.config.section("litellm_settings").get("custom_provider_map")
    entries = [entry for entry in given if isinstance(entry, Mapping)] if isinstance(given, list) else []
    handlers = [entry.get("custom_handler") for entry in entries if entry.get("provider") == CACHE_PROVIDER]
    if _HANDLER not in handlers:
        message = f"the provider {CACHE_PROVIDER!r} is not served by {_HANDLER}: every hit would be asked of a tier"
        mend = f"add `- {{provider: {CACHE_PROVIDER}, custom_handler: {_HANDLER}}}`"
        yield subject.config.finding(Severity.ERROR, at, message, mend)
    elif "cache_hit.py" not in subject.outside.hook_files:
        message = f"{_HANDLER} is named but there is no hooks/cache_hit.py beside this file: LiteLLM does not start"
        mend = "`tier-router init` writes the hooks; LiteLLM loads them from beside its configuration"
        yield subject.config.finding(Severity.ERROR, at, message, mend)


def _free(deployment: Deployment) -> bool:
    return deployment.price is not None and deployment.price.input == deployment.price.output == 0
