"""Which keys can get past the router or its limits, and why. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from custom_router.policy.caller import resolve_caller, router_settings
from custom_router.policy.schema import PolicyDocument
from custom_router.tiers import Tier

CONFINED_TO = ["llm_api_routes", "/router/*"]
"""`allowed_routes` of a key that calls models, and this product's routes for any key, and manages nothing."""
_HARMLESS_GROUPS = {"llm_api_routes", "openai_routes", "anthropic_routes", "google_routes", "info_routes"}
_HARMLESS_PATHS = ("/v1/", "/chat/", "/completions", "/responses", "/embeddings", "/models", "/router/")
_NO_LIMIT = {"all-proxy-models", "all-team-models"}
_NOTHING = "no-default-models"


@dataclass(frozen=True, slots=True)
class KeyFinding:
    """What is wrong with one key or team. `severity` is `bypass`, `malformed` or `note`."""

    severity: str
    owner: str
    problem: str
    mend: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.owner}: {self.problem} ({self.mend})"


def audit_keys(
    keys: Sequence[Mapping[str, Any]], teams: Sequence[Mapping[str, Any]], policy: PolicyDocument
) -> list[KeyFinding]:
    """Every finding, the worst first."""
    by_id = {str(team.get("team_id")): team for team in teams}
    found = [finding for team in teams for finding in _team(team, policy)]
    for key in keys:
        found += _key(key, by_id.get(str(key.get("team_id"))), policy)
    return sorted(found, key=lambda f: (["bypass", "malformed", "note"].index(f.severity), f.owner))


def _team(team: Mapping[str, Any], policy: PolicyDocument) -> Iterator[KeyFinding]:
    owner = f"team {team.get('team_alias') or team.get('team_id')}"
    for problem in resolve_caller(policy, team_settings=_settings(team)).problems:
        yield KeyFinding("malformed", owner, problem, "correct its metadata.router")
    table = team.get("litellm_model_table") or {}
    yield from _around(owner, {**team, "aliases": table.get("model_aliases")}, policy)


def _key(key: Mapping[str, Any], team: Mapping[str, Any] | None, policy: PolicyDocument) -> Iterator[KeyFinding]:
    name = key.get("key_alias") or str(key.get("token"))[:8]
    of = f" of team {team.get('team_alias') or team.get('team_id')}" if team else ""
    owner = f"key {name}{of}"
    entry = list(policy.entry_models)
    reachable = _reachable(key.get("models") or [], None if team is None else team.get("models") or [])
    mend = f"set its models to {entry}"
    if reachable is None:
        yield KeyFinding("bypass", owner, "may name any model, the tiers' own included", mend)
    else:
        tiers = {policy.tiers[tier].model for tier in Tier}
        for model in sorted(set(reachable) - set(entry)):
            what = "names a tier itself" if model in tiers else "names a model that is not routed"
            yield KeyFinding("bypass", owner, f"{what}: {model}", mend)
    yield from _around(owner, key, policy)
    whole = resolve_caller(
        policy,
        team_settings=_settings(team or {}),
        key_settings=_settings(key),
    )
    for problem in whole.problems:
        if problem.startswith("key:"):
            yield KeyFinding("malformed", owner, problem, "correct its metadata.router")
    if whole.max_tier is not Tier.FRONTIER and key.get("user_id") and not _confined(key.get("allowed_routes")):
        yield KeyFinding(
            "bypass",
            owner,
            f"is capped at {whole.max_tier.value}, but its user may make a key without a cap with it",
            f"set its allowed_routes to {CONFINED_TO}",
        )
    if team is None:
        yield KeyFinding("note", owner, "has no team, so no team's cap or budget holds it", "give it a team_id")
    else:
        yield from _without_effect(owner, key, team, policy)


def _confined(routes: object) -> bool:
    """Whether the routes that a key may call manage no keys. Without a list it may call any of its user's."""
    return bool(routes) and all(
        str(route) in _HARMLESS_GROUPS or str(route).startswith(_HARMLESS_PATHS) for route in cast(list[object], routes)
    )


def _around(owner: str, holder: Mapping[str, Any], policy: PolicyDocument) -> Iterator[KeyFinding]:
    """Ways past the router that keys and teams share."""
    for name, target in sorted((holder.get("aliases") or {}).items()):
        if target not in policy.entry_models:
            yield KeyFinding("bypass", owner, f"has an alias {name} for {target}", "remove the alias")
    if settings := holder.get("router_settings"):
        named = ", ".join(sorted(settings)) if isinstance(settings, Mapping) else "some"
        yield KeyFinding(
            "bypass", owner, f"has router settings of its own ({named}), which the caps do not know", "remove them"
        )
    if groups := holder.get("access_group_ids"):
        yield KeyFinding(
            "bypass", owner, f"has {len(groups)} access groups, whose models it may name", "remove the groups"
        )


def _reachable(key: Sequence[str], team: Sequence[str] | None) -> list[str] | None:
    """The models that a key may name; None for all. A key without a list of its own has its team's."""
    own, of_team = _limit(key), _limit(team or [])
    if own is None:
        return of_team
    if of_team is None:
        return own
    return [m for m in own if m in of_team or "*" in m or any("*" in pattern for pattern in of_team)]


def _limit(models: Sequence[str]) -> list[str] | None:
    if not models or _NO_LIMIT.intersection(models) or "*" in models:
        return None
    return [model for model in models if model != _NOTHING]


def _without_effect(
    owner: str, key: Mapping[str, Any], team: Mapping[str, Any], policy: PolicyDocument
) -> Iterator[KeyFinding]:
    """Settings of a key that are wider than its team's."""
    alone = resolve_caller(policy, key_settings=_settings(key))
    bound = resolve_caller(policy, team_settings=_settings(team), key_settings=_settings(key))
    asked = _settings(key)
    for name in ("max_tier", "min_tier", "cache", "gate", "log_text"):
        if isinstance(asked, Mapping) and name in asked and getattr(alone, name) != getattr(bound, name):
            told = {True: "on", False: "off"}.get(getattr(bound, name), getattr(bound, name))
            yield KeyFinding(
                "note", owner, f"{name} {asked[name]!r} is wider than its team's, which holds: {told}", "narrow the key"
            )


def _settings(holder: Mapping[str, Any]) -> object:
    return router_settings(holder.get("metadata"))
