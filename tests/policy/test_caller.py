"""Limits of keys and teams only ever narrow, whatever their metadata holds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custom_router.causes import Cause
from custom_router.policy import CacheScope, Caller, Policy, PolicyDocument, resolve_caller, router_settings
from custom_router.tiers import TIERS, Tier

BASE = """\
tiers:
  simple: {model: s, threshold: 0.6}
  medium: {model: m, threshold: 0.6}
  frontier: {model: f}
domains:
  finance: {tier: frontier}
  support: {tier: medium}
records: {log_text: full}
"""


def policy(more: str = "") -> PolicyDocument:
    return Policy.parse(BASE + more).document


POLICY = policy()
_SCOPES = list(CacheScope)
_TEXT = ["off", "redacted", "full"]


def width(caller: Caller) -> tuple[int, int, int]:
    return caller.max_tier.rank, _SCOPES.index(caller.cache), _TEXT.index(caller.log_text)


def narrower(a: Caller, b: Caller) -> bool:
    return all(x <= y for x, y in zip(width(a), width(b), strict=True))


def test_without_settings_the_policy_decides() -> None:
    caller = resolve_caller(policy("callers: {max_tier: medium, min_tier: medium}"))
    assert (caller.max_tier, caller.min_tier, caller.log_text) == (Tier.MEDIUM, Tier.MEDIUM, "full")
    assert (caller.causes, caller.problems) == ((), ())


def test_team_and_key_settings_are_read() -> None:
    caller = resolve_caller(
        POLICY,
        team_settings={"max_tier": "medium", "cache": "private", "log_text": "redacted"},
        key_settings={"min_tier": "medium", "gate": "off", "domain": "support", "experiment": "trial-1"},
        team="t1",
        team_alias="Team One",
    )
    assert (caller.max_tier, caller.min_tier, caller.cache) == (Tier.MEDIUM, Tier.MEDIUM, CacheScope.PRIVATE)
    assert (caller.gate, caller.domain, caller.experiment, caller.log_text) == (False, "support", "trial-1", "redacted")
    assert caller.teams == {"t1", "Team One"}
    assert caller.problems == ()


_odd = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just([1])
_odd_map = st.dictionaries(st.text(max_size=5), st.integers(), max_size=2)
_setting = (
    _odd | _odd_map | st.sampled_from([*TIERS, *CacheScope, "on", "full", "redacted", "finance", "SIMPLE", " simple"])
)
_names = st.sampled_from(["max_tier", "min_tier", "cache", "gate", "domain", "experiment", "log_text"])
_settings = st.dictionaries(_names | st.text(max_size=5), _setting, max_size=7) | _odd
_limits = st.sampled_from(
    ["", "callers: {max_tier: medium}", "callers: {max_tier: simple}", "callers: {min_tier: medium}"]
)


@settings(max_examples=200, deadline=None)
@given(_limits, _settings, _settings)
def test_settings_only_narrow(limits: str, team: Any, key: Any) -> None:
    document = policy(limits)
    alone = resolve_caller(document)
    with_team = resolve_caller(document, team_settings=team)
    with_key = resolve_caller(document, key_settings=key)
    both = resolve_caller(document, team_settings=team, key_settings=key)
    assert narrower(with_team, alone)
    assert narrower(with_key, alone)
    assert narrower(both, with_team)
    assert narrower(both, with_key)
    for caller in (with_team, with_key, both):
        assert caller.min_tier.rank <= caller.max_tier.rank
        assert caller.domain is None or caller.domain in document.domains
        assert (Cause.CALLER_POLICY_MALFORMED in caller.causes) == bool(caller.problems)
        assert caller.causes.count(Cause.CALLER_POLICY_MALFORMED) <= 1


@pytest.mark.parametrize("value", ["huge", "SIMPLE", "Simple ", "", None, 3, 1.5, True, False, [], {}, ["simple"]])
@pytest.mark.parametrize("owner", ["team", "key"])
def test_a_malformed_cap_is_the_lowest_cap(owner: str, value: object) -> None:
    settings: dict[str, Any] = {f"{owner}_settings": {"max_tier": value}}
    caller = resolve_caller(POLICY, **settings)
    assert caller.max_tier is Tier.SIMPLE
    assert Cause.CALLER_POLICY_MALFORMED in caller.causes
    assert caller.problems[0].startswith(f"{owner}: max_tier")


@pytest.mark.parametrize("settings", ["simple", 7, None, [], True, ["max_tier"], b"x"])
def test_settings_that_are_no_mapping_give_the_narrowest_limits(settings: object) -> None:
    caller = resolve_caller(POLICY, key_settings=settings)
    assert (caller.max_tier, caller.cache, caller.log_text) == (Tier.SIMPLE, CacheScope.OFF, "off")
    assert Cause.CALLER_POLICY_MALFORMED in caller.causes


def test_null_is_malformed_for_every_setting_and_absence_is_not() -> None:
    names = ("max_tier", "min_tier", "cache", "gate", "domain", "experiment", "log_text")
    for name in names:
        caller = resolve_caller(POLICY, key_settings={name: None})
        assert len(caller.problems) == 1, name
        assert caller.problems[0].startswith(f"key: {name} is None")
    nulls = resolve_caller(POLICY, key_settings=dict.fromkeys(names))
    assert (nulls.max_tier, nulls.min_tier, nulls.cache) == (Tier.SIMPLE, Tier.SIMPLE, CacheScope.OFF)
    assert (nulls.gate, nulls.log_text) == (True, "off")
    assert resolve_caller(POLICY, key_settings={"domain": None}).min_tier is Tier.FRONTIER
    null, absent = router_settings({"router": None}), [router_settings(odd) for odd in ({}, None, "router", {"r": 1})]
    assert resolve_caller(POLICY, team_settings=null).max_tier is Tier.SIMPLE
    assert [resolve_caller(POLICY, key_settings=given) for given in absent] == [resolve_caller(POLICY)] * 4


def test_booleans_stand_for_off_and_on() -> None:
    caller = resolve_caller(POLICY, key_settings={"cache": False, "gate": False, "log_text": False})
    assert (caller.cache, caller.gate, caller.log_text) == (CacheScope.OFF, False, "off")
    assert caller.problems == ()
    assert resolve_caller(POLICY, key_settings={"gate": True}).gate is True
    odd = resolve_caller(POLICY, key_settings={"cache": True})
    assert odd.cache is CacheScope.OFF
    assert odd.problems


def test_unknown_names_and_unknown_domains_are_reported() -> None:
    caller = resolve_caller(POLICY, key_settings={"max_teir": "medium", "domain": "marketing", "experiment": "x" * 99})
    assert len(caller.problems) == 3
    assert (caller.domain, caller.experiment) == (None, None)
    assert all(len(problem) < 200 for problem in caller.problems)


@pytest.mark.parametrize("owner", ["team", "key"])
@pytest.mark.parametrize("name", ["max_teir", "maxTier", "MAX_TIER", "max-tier", "max_tier ", "maxtier", "tier", "max"])
def test_a_misspelt_cap_is_the_lowest_cap(owner: str, name: str) -> None:
    caller = resolve_caller(POLICY, **{f"{owner}_settings": {name: "medium"}})
    assert caller.max_tier is Tier.SIMPLE
    assert Cause.CALLER_POLICY_MALFORMED in caller.causes
    assert any(name in problem for problem in caller.problems)


def test_a_misspelling_beside_the_right_name_counts_too() -> None:
    caller = resolve_caller(POLICY, key_settings={"max_tier": "frontier", "max_teir": "medium"})
    assert caller.max_tier is Tier.SIMPLE


def test_other_misspellings_are_read_as_their_own_settings_malformed() -> None:
    assert resolve_caller(POLICY, key_settings={"cahce": "team"}).cache is CacheScope.OFF
    assert resolve_caller(POLICY, key_settings={"log-text": "full"}).log_text == "off"
    assert resolve_caller(POLICY, key_settings={"domian": "finance"}).min_tier is Tier.FRONTIER
    assert resolve_caller(POLICY, key_settings={"min_tier": "midium"}).min_tier is Tier.FRONTIER
    assert resolve_caller(POLICY, key_settings={"min_tier": 2, "max_tier": "medium"}).min_tier is Tier.MEDIUM
    declined = resolve_caller(POLICY, key_settings={"gates": "off"})
    assert (declined.gate, declined.max_tier) == (True, Tier.FRONTIER)


@pytest.mark.parametrize("name", ["limit", "owner", "", "7", "x" * 10_000, "preis", "上限"])
def test_a_name_like_nothing_known_may_have_been_any_limit(name: str) -> None:
    caller = resolve_caller(POLICY, key_settings={name: "medium"})
    assert (caller.max_tier, caller.cache, caller.log_text) == (Tier.SIMPLE, CacheScope.OFF, "off")
    assert len(caller.problems) == 1
    assert len(caller.problems[0]) < 200


NEAR = policy("callers: {near_budget: {remaining: 0.2, max_tier: medium}}")


@pytest.mark.parametrize(
    ("left", "tier"), [(None, "frontier"), (1.0, "frontier"), (0.21, "frontier"), (0.2, "medium"), (0.0, "medium")]
)
def test_a_budget_nearly_used_up_lowers_the_cap(left: float | None, tier: str) -> None:
    caller = resolve_caller(NEAR, budget_left=left)
    assert caller.max_tier.value == tier
    assert (Cause.NEAR_BUDGET in caller.causes) == (tier == "medium")


def test_a_budget_changes_nothing_unless_the_policy_says_so_and_never_widens() -> None:
    assert resolve_caller(POLICY, budget_left=0.0) == resolve_caller(POLICY)
    capped = resolve_caller(NEAR, key_settings={"max_tier": "simple"}, budget_left=0.0)
    assert (capped.max_tier, capped.causes) == (Tier.SIMPLE, ())
    floored = resolve_caller(NEAR, key_settings={"min_tier": "frontier"}, budget_left=0.0)
    assert (floored.min_tier, floored.max_tier) == (Tier.MEDIUM, Tier.MEDIUM)


def test_a_key_can_bind_itself_to_a_stricter_domain_than_its_team_never_to_a_laxer() -> None:
    def domain(team: str, key: str) -> str | None:
        return resolve_caller(POLICY, team_settings={"domain": team}, key_settings={"domain": key}).domain

    assert domain("support", "finance") == "finance"
    assert domain("finance", "support") == "finance"


# ---------------------------------------------------------------- request headers


def test_headers_are_honoured_where_allowed() -> None:
    sent = {"x-router-tier": "frontier", "x-router-domain": "finance", "x-router-cache": "refresh"}
    caller = resolve_caller(POLICY, headers=sent)
    assert (caller.header_tier, caller.header_domain, caller.header_cache) == (Tier.FRONTIER, "finance", "refresh")
    refused = resolve_caller(policy("callers: {request_headers: []}"), headers=sent)
    assert (refused.header_tier, refused.header_domain, refused.header_cache) == (None, None, None)
    assert refused.causes == ()
    some = resolve_caller(policy("callers: {request_headers: [cache]}"), headers=sent)
    assert (some.header_tier, some.header_domain, some.header_cache) == (None, None, "refresh")


@given(
    tier=st.text(max_size=10) | st.sampled_from(TIERS),
    domain=st.text(max_size=10) | st.just("finance"),
    cache=st.text(max_size=10) | st.just("bypass"),
    key=st.dictionaries(_names, _setting, max_size=4),
)
def test_headers_change_nothing_but_their_own_wishes(tier: str, domain: str, cache: str, key: Any) -> None:
    headers = {"x-router-tier": tier, "x-router-domain": domain, "x-router-cache": cache}
    with_headers = resolve_caller(POLICY, key_settings=key, headers=headers)
    plain = resolve_caller(POLICY, key_settings=key)
    assert width(with_headers) == width(plain)
    assert (with_headers.min_tier, with_headers.gate, with_headers.domain) == (plain.min_tier, plain.gate, plain.domain)
    known = tier in TIERS, domain in POLICY.domains, cache in ("bypass", "refresh", "no-store")
    assert (with_headers.header_tier, with_headers.header_domain, with_headers.header_cache) == (
        tier if known[0] else None,
        domain if known[1] else None,
        cache if known[2] else None,
    )
    assert (Cause.HEADER_INVALID in with_headers.causes) == (not all(known))


def test_a_key_cannot_decline_the_gate_that_its_team_asked_for() -> None:
    assert resolve_caller(POLICY, team_settings={"gate": "on"}, key_settings={"gate": "off"}).gate is True
    assert resolve_caller(POLICY, team_settings={"gate": "off"}, key_settings={"gate": "on"}).gate is True
    assert resolve_caller(POLICY, key_settings={"gate": "off"}).gate is False
    assert resolve_caller(POLICY).gate is None


def test_a_binding_to_an_unknown_domain_goes_up_not_away() -> None:
    bound = resolve_caller(POLICY, key_settings={"domain": "finanze"})
    assert bound.min_tier is Tier.FRONTIER
    assert Cause.CALLER_POLICY_MALFORMED in bound.causes
    capped = resolve_caller(POLICY, team_settings={"max_tier": "medium"}, key_settings={"domain": ["finance"]})
    assert (capped.min_tier, capped.max_tier) == (Tier.MEDIUM, Tier.MEDIUM)


@pytest.mark.parametrize(
    ("value", "wish"),
    [
        ("no-cache", "refresh"),
        ("No-Cache, max-age=0", "refresh"),
        ("no-store", "no-store"),
        ("no-store,no-cache", "bypass"),
        ("max-age=60", None),
        ("", None),
        ("no-cachet", None),
    ],
)
def test_cache_control_says_the_same_in_http_words(value: str, wish: str | None) -> None:
    assert resolve_caller(POLICY, headers={"cache-control": value}).header_cache == wish
    own = resolve_caller(POLICY, headers={"cache-control": value, "x-router-cache": "bypass"})
    assert own.header_cache == "bypass"
