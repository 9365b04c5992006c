"""The partition: requests that differ in anything but the question never meet."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custom_router.cache.eligible import Ineligible
from custom_router.cache.key import CacheRequest, CacheTenant, canonical, hashed, tenant_label
from custom_router.domains.base import DomainMatch
from custom_router.policy import CachePolicy, CacheScope
from custom_router.tiers import Tier
from tests.cache.cache_requests import DECISION, TENANT, ask

QUESTION = "How do I sort a list in Python?"


def partition(**changes: Any) -> str:
    request = ask(**({"text": QUESTION} | changes))
    assert request.refused is None, request.refused
    return request.partition


@pytest.mark.parametrize(
    "changes",
    [
        {"tenant": replace(TENANT, team="sales")},
        {"entry_model": "auto-eu"},
        {"least_tier": Tier.FRONTIER},
        {"encoder_version": "other"},
        {"policy": CachePolicy(namespace="2")},
        {"temperature": 0.1},
        {"temperature": 1},
        {"top_p": 0.9},
        {"seed": 7},
        {"max_tokens": 10},
        {"stop": ["\n"]},
        {"logit_bias": {"50256": -100}},
        {"response_format": {"type": "json_object"}},
        {"reasoning_effort": "high"},
        {"a_field_of_next_year": True},
        {"messages": [{"role": "system", "content": "Be rude."}, {"role": "user", "content": QUESTION}]},
        {"messages": [{"role": "user", "content": "hi"}, {"role": "user", "content": QUESTION}]},
        {"messages": [{"role": "user", "content": QUESTION, "name": "ada"}]},
        {"messages": [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": "First,"}]},
        {"text": "Wie sortiere ich eine Liste in Python?"},
    ],
)
def test_whatever_may_change_the_answer_is_in_the_partition(changes: dict[str, Any]) -> None:
    assert partition(**changes) != partition()


@pytest.mark.parametrize(
    "changes",
    [
        {"stream": True},
        {"user": "someone"},
        {"metadata": {"user_api_key_team_id": "victim", "team": "victim"}},
        {"model": "another-name-for-it"},
        {"n": 1},
        {"tenant": replace(TENANT, key="another key of the team")},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": QUESTION}]}]},
    ],
)
def test_what_does_not_change_the_answer_is_not(changes: dict[str, Any]) -> None:
    assert partition(**changes) == partition()


def test_a_domain_has_partitions_of_its_own() -> None:
    legal = replace(DECISION, domain=DomainMatch("legal", 1.0, "terms"))
    assert partition(decision=legal) != partition()


@pytest.mark.parametrize(
    ("scope", "tenant", "label"),
    [
        (CacheScope.PRIVATE, TENANT, "key:key-1"),
        (CacheScope.TEAM, TENANT, "team:support"),
        (CacheScope.TEAM, CacheTenant("key-1"), "key:key-1"),
        (CacheScope.ORG, TENANT, "org:acme"),
        (CacheScope.ORG, CacheTenant("key-1", "support"), "team:support"),
        (CacheScope.ORG, CacheTenant("key-1"), "key:key-1"),
        (CacheScope.GLOBAL, CacheTenant(None), "global"),
        (CacheScope.TEAM, CacheTenant(None), None),
        (CacheScope.TEAM, CacheTenant("", ""), None),
        (CacheScope.OFF, TENANT, None),
    ],
)
def test_a_missing_team_narrows_and_never_widens(scope: CacheScope, tenant: CacheTenant, label: str | None) -> None:
    assert tenant_label(scope, tenant) == label


def test_a_team_that_is_named_like_a_key_shares_nothing_with_it() -> None:
    as_team = ask(tenant=CacheTenant("a", "b"))
    as_key = ask(tenant=CacheTenant("b"), decision=replace(DECISION, cache=CacheScope.PRIVATE))
    assert as_team.partition != as_key.partition


names = st.text(st.characters(codec="utf-8"), max_size=6)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | names,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=2),
    max_leaves=4,
)
situations = st.fixed_dictionaries({
    "team": names.filter(bool),
    "entry_model": names,
    "least_tier": st.sampled_from(list(Tier)),
    "encoder_version": names,
    "system": names,
    "extra": st.dictionaries(st.sampled_from(["top_p", "seed", "stop", "x"]), json_values, max_size=2),
    "history": st.lists(st.tuples(st.sampled_from(["user", "assistant"]), names), max_size=2),
})  # fmt: skip


def situated(situation: dict[str, Any]) -> CacheRequest:
    turns = [{"role": role, "content": text} for role, text in situation["history"]]
    system = [{"role": "system", "content": situation["system"]}]
    return ask(
        tenant=CacheTenant("k", situation["team"]),
        entry_model=situation["entry_model"],
        least_tier=situation["least_tier"],
        encoder_version=situation["encoder_version"],
        messages=[*system, *turns, {"role": "user", "content": QUESTION}],
        **situation["extra"],
    )


@settings(deadline=None)
@given(situations, situations)
def test_two_requests_meet_only_if_nothing_differs(one: dict[str, Any], other: dict[str, Any]) -> None:
    a, b = situated(one), situated(other)
    if a.refused is None and b.refused is None:
        # As JSON, where 1 and true differ, which in Python they do not.
        assert (a.partition == b.partition) == (json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True))


@settings(deadline=None)
@given(st.lists(names, max_size=4), st.lists(names, max_size=4))
def test_parts_do_not_run_into_each_other(one: list[str], other: list[str]) -> None:
    assert (hashed(*one) == hashed(*other)) == (one == other)


def test_the_question_and_its_surroundings_cannot_be_shifted() -> None:
    inside = ask("b", messages=[{"role": "system", "content": "a"}, {"role": "user", "content": "b"}])
    shifted = ask("ab", messages=[{"role": "system", "content": ""}, {"role": "user", "content": "ab"}])
    assert inside.entry_id != shifted.entry_id
    assert inside.partition != shifted.partition


@pytest.mark.parametrize(
    ("a", "b"),
    [("caf\u00e9", "cafe\u0301"), ("What?", "  What?\n"), ("a\r\nb", "a\nb")],
)
def test_what_reads_the_same_is_the_same(a: str, b: str) -> None:
    assert canonical(a) == canonical(b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("paypal", "p\u0430ypal"),  # a Cyrillic letter
        ("reset", "re\u200bset"),  # a zero-width space
        ("x2", "x\u00b2"),
        ("1", "\u2460"),
        ("file", "\ufb01le"),
        ("abc", "\uff41bc"),
        ("What", "what"),
        ("a b", "a  b"),
    ],
)
def test_what_can_be_told_apart_stays_apart(a: str, b: str) -> None:
    assert ask(a).entry_id != ask(b).entry_id


@pytest.mark.parametrize("text", ["p\u0430ypal login", "re\u200bset my router", "\uff57hat is this", "日本の首都は?"])
def test_odd_letters_are_matched_by_the_same_text_only(text: str) -> None:
    assert ask(text).language == "other"


def test_a_text_longer_than_the_encoder_reads_is_matched_by_the_same_text_only() -> None:
    assert ask("What is this? " * 20).semantic
    assert not ask("What is this? " * 60).semantic


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"policy": CachePolicy(enabled=False)}, Ineligible.DISABLED),
        ({"decision": replace(DECISION, cache=CacheScope.OFF)}, Ineligible.SCOPE_OFF),
        ({"tenant": CacheTenant(None)}, Ineligible.NO_TENANT),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, Ineligible.TOOLS),
        ({"n": 2}, Ineligible.SEVERAL_ANSWERS),
        ({"temperature": 1.5}, Ineligible.TEMPERATURE),
        ({"temperature": "hot"}, Ineligible.TEMPERATURE),
        ({"temperature": float("nan")}, Ineligible.TEMPERATURE),
        ({"previous_response_id": "r"}, Ineligible.STATEFUL),
        ({"text": "x" * 40_000}, Ineligible.TOO_LONG),
        ({"text": "a" * 1_000_000}, Ineligible.TOO_LONG),
        ({"text": "  "}, Ineligible.UNREADABLE),
        ({"messages": "hi"}, Ineligible.UNREADABLE),
        ({"messages": [{"role": "assistant", "content": "hi"}]}, Ineligible.UNREADABLE),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]},
            Ineligible.UNREADABLE,
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u"}}]}]},
            Ineligible.ATTACHMENT,
        ),
        ({"logit_bias": {"1": {1, 2}}}, Ineligible.UNREADABLE),
        ({"stop": "\ud800"}, Ineligible.UNREADABLE),
    ],
)
def test_what_takes_no_part(changes: dict[str, Any], reason: Ineligible) -> None:
    assert ask(**changes).refused is reason
