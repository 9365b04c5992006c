"""Rules about where requests go: entry models, fallbacks, retries, callbacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from custom_router.check.config import KeyPath
from custom_router.check.finding import CheckFinding, Severity
from custom_router.check.subject import Subject
from custom_router.tiers import TIERS, Tier

_SECTIONS = ("router_settings", "litellm_settings")
_FALLBACKS = ("fallbacks", "context_window_fallbacks", "content_policy_fallbacks")
_REQUIRED_FALLBACKS = ("fallbacks", "context_window_fallbacks")
_LITELLM_RETRIES = 2
_CALLBACKS = {"pre_call": "hooks.pre_call.handler", "post_call": "hooks.post_call.handler"}


def entry_models(subject: Subject) -> Iterator[CheckFinding]:
    """Clients can ask for every entry model, and without the plugin it means the frontier."""
    frontier = subject.group(Tier.FRONTIER)
    aliases = subject.config.section("router_settings").get("model_group_alias")
    aliases = aliases if isinstance(aliases, Mapping) else {}
    for index, entry in enumerate(subject.policy.entry_models):
        at = ("router_settings", "model_group_alias")
        mend = f"set `router_settings.model_group_alias: {{{entry}: {frontier}}}`"
        if entry in aliases:
            target = _group(aliases[entry])
            if target != frontier:
                message = f"{entry!r} is an alias of {target!r}: if the plugin cannot load, that group gets all traffic"
                yield subject.config.finding(Severity.ERROR, (*at, entry), message, mend)
        elif entry in subject.groups:
            message = f"{entry!r} is a model group of its own: if the plugin cannot load, it gets all traffic"
            yield subject.policy_finding(Severity.WARNING, ("entry_models", index), message, mend)
        else:
            message = f"LiteLLM's authentication does not know {entry!r}: clients that ask for it are refused"
            yield subject.policy_finding(Severity.ERROR, ("entry_models", index), message, mend)


def fallbacks_upward(subject: Subject) -> Iterator[CheckFinding]:
    """A tier that is out is answered by a dearer one, never by a cheaper one."""
    covered: dict[str, set[Tier]] = {kind: set() for kind in _REQUIRED_FALLBACKS}
    for section in _SECTIONS:
        settings = subject.config.section(section)
        for kind in _FALLBACKS:
            for path, source, targets in _entries(settings.get(kind), (section, kind)):
                tier = subject.tier_of(source)
                if tier is not None and kind in covered:
                    covered[kind].add(tier)
                yield from _targets(subject, path, tier, targets)
        defaults = settings.get("default_fallbacks")
        if isinstance(defaults, list) and defaults:
            covered["fallbacks"].update(TIERS)
            # They apply to every group, so only the frontier is upward of, or level with, all of them.
            yield from _targets(subject, (section, "default_fallbacks"), Tier.MEDIUM, defaults)
    for kind, tiers in covered.items():
        for tier in TIERS[:-1]:
            if tier not in tiers:
                group, above = subject.group(tier), [subject.group(t) for t in TIERS[tier.rank + 1 :]]
                yield subject.config.finding(
                    Severity.WARNING,
                    ("router_settings", kind),
                    f"{group} has none: what its deployments cannot answer fails",
                    f"add `- {group}: [{', '.join(above)}]`",
                )


def retries(subject: Subject) -> Iterator[CheckFinding]:
    """Failing over comes before asking the same provider again."""
    section, given = next(
        ((name, value) for name in _SECTIONS if (value := subject.config.section(name).get("num_retries")) is not None),
        (_SECTIONS[0], None),
    )
    at = (section, "num_retries")
    if given is None:
        message = f"not set, so LiteLLM retries {_LITELLM_RETRIES} times before it fails over"
        yield subject.config.finding(Severity.WARNING, at, message, "set it to 0")
    elif _positive(given):
        message = f"{given} retries delay failing over to the tier's other provider"
        yield subject.config.finding(Severity.WARNING, at, message, "set it to 0")
    for _, item in subject.in_tiers():
        for key in ("num_retries", "max_retries"):
            if _positive(item.deployment.params.get(key)):
                message = f"{item.deployment.model} is retried before the tier's other provider is tried"
                yield subject.config.finding(
                    Severity.WARNING, item.at("litellm_params", key), message, f"set {key} to 0"
                )


def callbacks(subject: Subject) -> Iterator[CheckFinding]:
    """Both hooks are registered and lie beside the configuration."""
    given = subject.config.section("litellm_settings").get("callbacks")
    registered = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    at = ("litellm_settings", "callbacks")
    for name, reference in _CALLBACKS.items():
        if reference not in registered:
            lost = "nothing is routed" if name == "pre_call" else "no headers and no records are written"
            mend = f"add {reference} to litellm_settings.callbacks"
            yield subject.config.finding(Severity.ERROR, at, f"{reference} is not registered: {lost}", mend)
        elif f"{name}.py" not in subject.outside.hook_files:
            message = f"{reference} is registered but there is no hooks/{name}.py beside this file"
            mend = "`tier-router init` writes the hooks; LiteLLM loads them from beside its configuration"
            yield subject.config.finding(Severity.ERROR, at, message, mend)


def _entries(value: object, at: KeyPath) -> Iterator[tuple[KeyPath, str, list[Any]]]:
    for index, mapping in enumerate(value if isinstance(value, list) else ()):
        if isinstance(mapping, Mapping):
            for source, targets in mapping.items():
                if isinstance(targets, list):
                    yield (*at, index, str(source)), str(source), targets


def _targets(subject: Subject, path: KeyPath, tier: Tier | None, targets: list[Any]) -> Iterator[CheckFinding]:
    for index, given in enumerate(targets):
        target = _group(given)
        reached = subject.tier_of(target)
        if target not in subject.groups:
            mend = f"name one of {sorted(subject.groups)}"
            yield subject.config.finding(
                Severity.ERROR, (*path, index), f"there is no model group {target!r} to fall back to", mend
            )
        elif tier is not None and reached is not None and reached.rank <= tier.rank:
            message = f"falls back to {target!r}, which is not above it: quality would drop without a word"
            yield subject.config.finding(Severity.ERROR, (*path, index), message, "name dearer tiers only")


def _group(value: object) -> str | None:
    """The model group that an alias or a fallback target names; both may be written as a mapping."""
    named = value.get("model") if isinstance(value, Mapping) else value
    return named if isinstance(named, str) else None


def _positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
