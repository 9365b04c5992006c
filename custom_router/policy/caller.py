"""What one caller may do: the policy's limits, narrowed by the team's and then the key's `metadata.router`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

from custom_router.causes import Cause
from custom_router.policy.cache import CacheScope
from custom_router.policy.misspelt import Misspelt, meant_by
from custom_router.policy.schema import CallerLimits, PolicyDocument
from custom_router.tiers import Tier, higher, lower

_SCOPES = list(CacheScope)
LogText = Literal["off", "redacted", "full"]
CacheWish = Literal["bypass", "refresh", "no-store"]
"""bypass: neither read nor stored; refresh: not read, but stored; no-store: read, but not stored."""
_LOG_TEXT: list[LogText] = ["off", "redacted", "full"]
SETTINGS = ("max_tier", "min_tier", "cache", "gate", "domain", "experiment", "log_text")
"""What `metadata.router` may hold."""
NOT_GIVEN: Mapping[str, object] = MappingProxyType({})
"""Settings of a key or team whose metadata has no `router`."""


@dataclass(frozen=True, slots=True)
class Caller:
    """One caller's limits and this request's own wishes. `problems` says what was malformed and how it was read."""

    max_tier: Tier = Tier.FRONTIER
    min_tier: Tier = Tier.SIMPLE
    cache: CacheScope = CacheScope.TEAM
    gate: bool | None = None
    """Whether the gate was asked for or declined; None for neither, which means gated."""
    domain: str | None = None
    experiment: str | None = None
    log_text: LogText = "off"
    team: str | None = None
    team_alias: str | None = None
    header_tier: Tier | None = None
    header_domain: str | None = None
    header_cache: CacheWish | None = None
    causes: tuple[Cause, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def teams(self) -> frozenset[str]:
        """The names this caller's team goes by."""
        return frozenset(name for name in (self.team, self.team_alias) if name)


def router_settings(metadata: object) -> object:
    """`metadata.router` of a key or team, as it stands there."""
    return metadata.get("router", NOT_GIVEN) if isinstance(metadata, Mapping) else NOT_GIVEN


def resolve_caller(
    policy: PolicyDocument,
    *,
    team_settings: object = NOT_GIVEN,
    key_settings: object = NOT_GIVEN,
    headers: Mapping[str, str] | None = None,
    team: str | None = None,
    team_alias: str | None = None,
    budget_left: float | None = None,
) -> Caller:
    """Merge the policy file, the team's and the key's settings, and the request's own headers.

    Each step can only narrow. A malformed setting (null is one), or one whose name is misspelt, is read as the
    strictest value of its kind, never as absent, so that a typing mistake can lift neither a cap nor a floor; it is
    reported in `problems` and as a cause.

    `budget_left` is the share, 0 to 1, that is left of the scarcest of the caller's budgets; None without any.
    """
    limits = policy.callers
    caller = Caller(
        max_tier=limits.max_tier,
        min_tier=limits.min_tier,
        cache=policy.cache.scope,
        log_text=policy.records.log_text,
        team=team,
        team_alias=team_alias,
    )
    for owner, settings in (("team", team_settings), ("key", key_settings)):
        caller = _narrow(caller, owner, settings, policy)
    caller = _with_budget(caller, limits, budget_left)
    caller = replace(caller, min_tier=lower(caller.min_tier, caller.max_tier))
    return _with_headers(caller, headers or {}, limits, policy)


def _narrow(caller: Caller, owner: str, settings: object, policy: PolicyDocument) -> Caller:
    if not isinstance(settings, Mapping):
        told = f"{owner}: router is {type(settings).__name__}, not a mapping; read as the narrowest limits"
        return _malformed(_narrowest(caller), [told])
    problems: list[str] = []
    given = {name: settings[name] for name in SETTINGS if name in settings}
    for name in map(str, (name for name in settings if name not in SETTINGS)):
        meant = meant_by(name, SETTINGS)
        given |= dict.fromkeys(meant, Misspelt(name))
        if not meant:
            # Whatever limit it was to be, none is narrower than these.
            caller = _narrowest(caller)
            problems.append(f"{owner}: unknown setting {_brief(name)}; read as the narrowest limits")

    def member(name: str, known: Iterable[str], narrowest: str) -> str | None:
        if name not in given:
            return None
        value = given[name]
        # YAML 1.1 and some admin tools turn a bare `off`/`on` into a boolean.
        value = {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value
        if isinstance(value, str) and value in set(known):
            return value
        problems.append(f"{owner}: {name} is {_brief(value)}, not one of {sorted(known)}; read as {narrowest}")
        return narrowest

    if (cap := member("max_tier", Tier, Tier.SIMPLE)) is not None:
        caller = replace(caller, max_tier=lower(caller.max_tier, Tier(cap)))
    # Which floor was meant is not known, so it is the highest that the caller may have: its cap, in the end.
    if (floor := member("min_tier", Tier, Tier.FRONTIER)) is not None:
        caller = replace(caller, min_tier=higher(caller.min_tier, Tier(floor)))
    if (scope := member("cache", CacheScope, CacheScope.OFF)) is not None:
        caller = replace(caller, cache=min(caller.cache, CacheScope(scope), key=_SCOPES.index))
    if (gate := member("gate", ("on", "off"), "on")) is not None:
        # A key may decline the gate, unless its team asked for it.
        caller = replace(caller, gate=gate == "on" or caller.gate is True)
    if (text := member("log_text", _LOG_TEXT, "off")) is not None:
        narrowed = _LOG_TEXT[min(_LOG_TEXT.index(caller.log_text), [str(x) for x in _LOG_TEXT].index(text))]
        caller = replace(caller, log_text=narrowed)
    if "domain" in given:
        domain = given["domain"]
        if isinstance(domain, str) and domain in policy.domains:
            bound = policy.domains[caller.domain].tier if caller.domain else None
            # A key may bind itself to a stricter domain than its team's, never out of it.
            if bound is None or policy.domains[domain].tier.rank > bound.rank:
                caller = replace(caller, domain=domain)
        else:
            # Which tier the binding was to secure is not known, so it is the highest that the caller may have.
            caller = replace(caller, min_tier=Tier.FRONTIER)
            known = sorted(policy.domains)
            problems.append(f"{owner}: domain is {_brief(domain)}, not one of {known}; read as the highest tier")
    if "experiment" in given:
        experiment = given["experiment"]
        if isinstance(experiment, str) and len(experiment) <= 64:
            caller = replace(caller, experiment=experiment)
        else:
            problems.append(f"{owner}: experiment is {_brief(experiment)}, not a short name")
    return _malformed(caller, problems)


def _narrowest(caller: Caller) -> Caller:
    return replace(caller, max_tier=Tier.SIMPLE, cache=CacheScope.OFF, log_text="off")


def _with_budget(caller: Caller, limits: CallerLimits, left: float | None) -> Caller:
    """Lower the cap of a caller whose budget is nearly used up, where the policy says so."""
    near = limits.near_budget
    if near.max_tier is None or left is None or left > near.remaining or near.max_tier.rank >= caller.max_tier.rank:
        return caller
    return replace(caller, max_tier=near.max_tier, causes=(*caller.causes, Cause.NEAR_BUDGET))


def _malformed(caller: Caller, problems: list[str]) -> Caller:
    if not problems:
        return caller
    causes = (
        caller.causes
        if Cause.CALLER_POLICY_MALFORMED in caller.causes
        else (
            *caller.causes,
            Cause.CALLER_POLICY_MALFORMED,
        )
    )
    return replace(caller, causes=causes, problems=(*caller.problems, *problems))


def _with_headers(caller: Caller, headers: Mapping[str, str], limits: CallerLimits, policy: PolicyDocument) -> Caller:
    allowed = set(limits.request_headers)
    changes: dict[str, Any] = {}
    invalid = False
    if (tier := headers.get("x-router-tier")) is not None and "tier" in allowed:
        if tier in set(Tier):
            changes["header_tier"] = Tier(tier)
        else:
            invalid = True
    if (domain := headers.get("x-router-domain")) is not None and "domain" in allowed:
        if domain in policy.domains:
            changes["header_domain"] = domain
        else:
            invalid = True
    if (cache := headers.get("x-router-cache")) is not None and "cache" in allowed:
        if cache in ("bypass", "refresh", "no-store"):
            changes["header_cache"] = cache
        else:
            invalid = True
    elif "cache" in allowed and (asked := _cache_control(headers.get("cache-control", ""))) is not None:
        changes["header_cache"] = asked
    if invalid:
        changes["causes"] = (*caller.causes, Cause.HEADER_INVALID)
    return replace(caller, **changes) if changes else caller


def _cache_control(value: str) -> CacheWish | None:
    """HTTP's own words for the same wishes; other directives say nothing here."""
    directives = {directive.strip().lower() for directive in value.split(",")}
    if {"no-cache", "no-store"} <= directives:
        return "bypass"
    return "refresh" if "no-cache" in directives else "no-store" if "no-store" in directives else None


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
