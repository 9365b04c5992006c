"""The proof that domains held: what counts as held, what as broken, and what as neither."""

from __future__ import annotations

from typing import Any

import pytest

from custom_router.causes import Cause
from custom_router.records.record import DecisionRecord, DomainFields
from custom_router.reports.overrides_audit import LISTED, OverridesAudit, audit_overrides, judged_requests
from custom_router.tiers import Tier
from tests.reports.lines import TIME, made, matched, stored


def audited(*records: DecisionRecord, **required: Tier) -> OverridesAudit:
    with stored(*records) as store:
        return audit_overrides(judged_requests(store), required)


def test_matched_traffic_on_its_tier_holds_and_rules_are_counted() -> None:
    rules = ["term:mortgage", "term:mortgage", "model", "caller"]
    found = audited(made(), *(matched(n, rule=rule) for n, rule in enumerate(rules)))
    assert (found.requests, found.matched, found.failed) == (5, 4, 0)
    assert dict(found.domains["finance"].rules) == {"term:mortgage": 2, "model": 1, "caller": 1}
    assert dict(found.policies) == {"v1": 5}


def test_a_tier_above_the_required_one_holds() -> None:
    domain = DomainFields("travel", 1.0, "term:visa", "medium")
    assert audited(matched(domain=domain), matched(domain=domain, tier="medium")).failed == 0
    assert audited(matched(domain=domain, tier="simple")).failed == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"mode": "shadow"}, "mode was shadow"),
        ({"mode": "off"}, "mode was off"),
        ({"causes": [Cause.CAP_OVER_DOMAIN.value, Cause.CALLER_CAP.value]}, "cap win over the domain"),
        ({"causes": [Cause.SCORE.value]}, "causes: score"),
    ],
)
def test_a_lower_tier_is_a_violation_with_its_reason(changes: dict[str, Any], reason: str) -> None:
    found = audited(matched(1), matched(2, tier="medium", **changes))
    assert (found.matched, found.failed) == (2, 1)
    (violation,) = found.violations
    assert (violation.request_id, violation.rule, violation.required) == ("r2", "term:mortgage", "frontier")
    assert (violation.time, violation.policy_version) == (TIME, "v1")
    assert reason in violation.reason


def test_a_client_cannot_break_the_proof_by_naming_a_domain_itself() -> None:
    """A header lifts no cap, so a capped caller who sends it gets less, and no rule was passed over."""
    capped = {"tier": "simple", "causes": [Cause.CALLER_CAP.value]}
    found = audited(matched(rule="header", **capped))
    assert (found.failed, found.matched, found.capped_by_choice) == (0, 0, 1)
    assert audited(matched(rule="caller", **capped)).failed == 1
    assert audited(matched(rule="header", tier="simple", causes=[Cause.DOMAIN_HEADER.value])).failed == 1


def test_what_was_required_then_counts_not_what_is_required_now() -> None:
    then_medium = DomainFields("finance", 1.0, "model", "medium")
    assert audited(matched(domain=then_medium, tier="medium"), finance=Tier.FRONTIER).failed == 0


def test_a_record_that_does_not_say_is_judged_by_the_policy_in_force() -> None:
    silent = DomainFields("finance", 1.0, "model", None)
    assert audited(matched(domain=silent, tier="medium"), finance=Tier.FRONTIER).failed == 1
    found = audited(matched(domain=silent))
    assert (found.unjudged, found.matched) == (1, 0)


def test_requests_in_which_nobody_looked_are_counted_unless_the_frontier_answered() -> None:
    error = [Cause.ENGINE_ERROR.value]
    found = audited(
        made(1, mode="off", tier="simple"),
        made(2, mode="off"),
        made(3, causes=error, tier="medium"),
        made(4, tier="simple"),
    )
    assert (found.unlooked, found.matched, found.failed) == (2, 0, 0)


def test_every_violation_is_counted_and_some_are_listed() -> None:
    found = audited(*(matched(n, tier="simple") for n in range(LISTED + 5)))
    assert (found.failed, len(found.violations)) == (LISTED + 5, LISTED)


@pytest.mark.parametrize("tier", ["", "cheap", None])
def test_a_tier_that_is_none_is_no_proof(tier: Any) -> None:
    assert audited(matched(tier=tier)).failed == 1
