"""Profiles: each is a valid policy, says what it changes, and leaves the rest of the file alone."""

from __future__ import annotations

import pytest

from custom_router.bundle import shipped_policy_text
from custom_router.policy import Mode, Policy
from custom_router.policy.profiles import DEFAULT, Profile, load_profiles, put, value_at
from custom_router.tiers import TIERS, Tier

PROFILES = load_profiles()


def _document(name: str) -> Policy:
    return Policy.parse(PROFILES[name].apply(shipped_policy_text()))


def test_the_five_profiles() -> None:
    assert list(PROFILES) == ["high-volume", "mixed", "strict-latency", "budget", "compliance"]


@pytest.mark.parametrize("profile", PROFILES.values(), ids=list(PROFILES))
def test_a_profile_is_a_valid_policy_that_differs_only_where_it_says(profile: Profile) -> None:
    shipped = shipped_policy_text()
    applied = profile.apply(shipped)
    for path, value in profile.changes.items():
        assert value_at(applied, path) == value
    expected = Policy.parse(shipped).document.model_dump(mode="json")
    for path, value in profile.changes.items():
        place = expected
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = value
    assert Policy.parse(applied).document.model_dump(mode="json") == expected


@pytest.mark.parametrize("profile", PROFILES.values(), ids=list(PROFILES))
def test_a_profile_keeps_every_comment(profile: Profile) -> None:
    applied = profile.apply(shipped_policy_text()).splitlines()
    assert applied[0] == f"# Profile {profile.name}: {profile.summary}"
    for line in shipped_policy_text().splitlines():
        if "#" in line:
            assert any(line[line.index("#") :] in kept for kept in applied)


def test_mixed_is_the_default_and_the_shipped_policy() -> None:
    assert DEFAULT == "mixed"
    assert _document("mixed").document == Policy.parse(shipped_policy_text()).document


def test_what_the_profiles_are_for() -> None:
    cheap = [tier for tier in TIERS if tier is not Tier.FRONTIER]

    def thresholds(name: str) -> list[float]:
        return [_document(name).document.tiers[tier].threshold or 0.0 for tier in cheap]

    for dearer, cheaper in (("mixed", "high-volume"), ("high-volume", "budget")):
        assert all(a > b for a, b in zip(thresholds(dearer), thresholds(cheaper), strict=True))
    latency = _document("strict-latency").document
    assert latency.latency_budget_ms.encoder < Policy.parse(shipped_policy_text()).document.latency_budget_ms.encoder
    assert latency.classifier.on_failure is Tier.MEDIUM
    compliance = _document("compliance").document
    assert (compliance.mode, compliance.default_tier) == (Mode.SHADOW, Tier.FRONTIER)


@pytest.mark.parametrize(
    ("text", "path", "value", "expected"),
    [
        ("a: 1 # one\nb: 2\n", ("a",), 5, "a: 5 # one\nb: 2\n"),
        ("a: 'x'  # quoted\n", ("a",), "y", "a: y  # quoted\n"),
        ("a: {b: 1, c: 2}\n", ("a", "b"), 0.5, "a: {b: 0.5, c: 2}\n"),
        ("a: {c: 2}\n", ("a", "b"), 1, "a: {b: 1, c: 2}\n"),
        ("a: {}\n", ("a", "b", "c"), 1, "a: {b: {c: 1}}\n"),
        ("a:\n  # why\n  c: 2\n", ("a", "b"), 1, "a:\n  # why\n  b: 1\n  c: 2\n"),
        ("a:\n  # b: 1\nc: 2\n", ("a", "b"), 1, "a: {b: 1}\n  # b: 1\nc: 2\n"),
        ("a: null\n", ("a", "b"), 1, "a: {b: 1}\n"),
        ("a: 1", ("b", "c"), "off", "a: 1\nb: {c: 'off'}\n"),
    ],
)
def test_put(text: str, path: tuple[str, ...], value: object, expected: str) -> None:
    assert put(text, path, value) == expected
    assert value_at(expected, path) == value


@pytest.mark.parametrize(("text", "path"), [("a: 1\n", ("a", "b")), ("a: {b: 1}\n", ("a",)), ("- a\n", ("a",))])
def test_put_refuses_what_is_not_a_single_value(text: str, path: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="is not a"):
        put(text, path, 1)
