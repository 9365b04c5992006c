"""Which tiers an image keeps a request from, what its sender is told, and where its fallbacks lead."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from custom_router.decide import decide
from custom_router.decision import Capability, Circumstances, Decision
from custom_router.litellm_adapter.deployments import DeploymentTable
from custom_router.litellm_adapter.images import blind_tiers, refused
from custom_router.litellm_adapter.reading import allowed_fallbacks
from custom_router.litellm_adapter.tickets import TicketDesk
from custom_router.policy import Caller, Mode, Policy
from custom_router.records.pending import Pending
from custom_router.request import CallType, RequestView
from custom_router.tiers import Tier

POLICY = Policy.safe("test")
TIERS = POLICY.document.tiers
IMAGE = RequestView(CallType.CHAT, "what is this?", images=1)
ABLE = {Tier.SIMPLE: Capability(vision=False), Tier.MEDIUM: Capability(), Tier.FRONTIER: Capability(vision=False)}
BLIND = frozenset({Tier.SIMPLE, Tier.FRONTIER})


def decided(caller: Caller) -> Decision:
    """With the router off, the default tier, the frontier, under the caller's cap."""
    return decide(IMAGE, None, caller, POLICY, Circumstances(ABLE))


def told(cap: Tier, blind: frozenset[Tier]) -> str | None:
    caller = Caller(max_tier=cap)
    error = refused(decided(caller), caller, blind, TIERS)
    return None if error is None else error.detail["error"]  # type: ignore[index]


def test_only_images_and_only_where_the_policy_is_enforced() -> None:
    assert blind_tiers(IMAGE, Mode.ENFORCE, ABLE) == BLIND
    assert blind_tiers(RequestView(CallType.CHAT, "hello"), Mode.ENFORCE, ABLE) == frozenset()
    for mode in (Mode.SHADOW, Mode.OFF):
        assert blind_tiers(IMAGE, mode, ABLE) == frozenset()
    assert blind_tiers(IMAGE, Mode.ENFORCE, {}) == frozenset(), "nothing is known of the deployments"


@pytest.mark.parametrize(
    ("cap", "blind", "mend"),
    [
        (Tier.SIMPLE, BLIND, "raise max_tier to medium, or give tier-simple"),
        (Tier.MEDIUM, frozenset({Tier.MEDIUM}), "raise max_tier to frontier, or give tier-medium"),
        (Tier.MEDIUM, frozenset({Tier.MEDIUM, Tier.FRONTIER}), "images: give tier-medium"),
        (Tier.FRONTIER, BLIND, "images: give tier-frontier"),
    ],
)
def test_who_is_refused_hears_what_would_help(cap: Tier, blind: frozenset[Tier], mend: str) -> None:
    assert mend in (told(cap, blind) or "")


def test_a_tier_that_sees_refuses_nothing() -> None:
    assert told(Tier.MEDIUM, BLIND) is None


def test_fallbacks_step_over_barred_tiers() -> None:
    low = decided(Caller(max_tier=Tier.SIMPLE))
    assert allowed_fallbacks(POLICY.document, Caller(), low, {Tier.SIMPLE}) is None, "the configured ones may stand"
    assert allowed_fallbacks(POLICY.document, Caller(), low, BLIND) == [{"tier-simple": ["tier-medium"]}]
    assert allowed_fallbacks(POLICY.document, Caller(max_tier=Tier.MEDIUM), low, {Tier.MEDIUM}) == []


def test_the_gates_own_calls_step_over_them_too() -> None:
    desk = TicketDesk(cast(Any, None), DeploymentTable())
    pending = Pending(cast(Any, None), 0.0, {}, {}, unaffordable=frozenset({Tier.MEDIUM}), blind=BLIND)
    ticket = cast(Any, SimpleNamespace(policy=POLICY, caller=Caller()))
    assert desk.groups(pending, ticket, Tier.SIMPLE) == ["tier-simple"]
    pending.unaffordable = frozenset()
    assert desk.groups(pending, ticket, Tier.SIMPLE) == ["tier-simple", "tier-medium"]
