"""Mixed and forged requests of six keys in three teams: caps, tenants and budgets hold.

What a key may have is checked against LiteLLM's own spend log as well as against the records.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from custom_router.tiers import TIERS, Tier
from tests.e2e.keyed_stack import Logged
from tests.e2e.team_traffic import AT_ONCE, BUDGET, KINDS, SPENDING, Traffic, of_calls


def rank(group: str) -> int:
    """The rank of a tier's model group; -1 for the cache's."""
    return next((tier.rank for tier in TIERS if group == f"tier-{tier.value}"), -1)


def test_the_traffic_was_what_it_should_be(traffic: Traffic) -> None:
    """A test of limits shows nothing where nothing pressed on them."""
    causes = Counter(cause for record in traffic.records for cause in record["causes"])
    assert {"caller_cap", "gate_over_cap", "provider_fallback", "caller_policy_malformed"} <= causes.keys(), causes
    assert any(record["gate"]["escalated_to"] for record in traffic.records)
    assert {record["call_type"] for record in traffic.records} == set(KINDS)
    assert {alias for alias in traffic.keys if traffic.of(alias)} == set(traffic.keys)
    assert Counter(record["cache"]["status"] for record in traffic.records)["hit"] > 0
    assert traffic.outcomes[SPENDING]["budget"] > 0
    print(dict(causes), Counter(record["outcome"]["status"] for record in traffic.records))


def test_nobody_is_answered_above_the_cap(traffic: Traffic) -> None:
    for alias, key in traffic.keys.items():
        for record in traffic.of(alias):
            assert Tier(record["tier"]).rank <= key.cap.rank, record
            assert rank(record["model_group"]) <= key.cap.rank, record


def test_the_spend_log_knows_of_no_dearer_tier_either(traffic: Traffic) -> None:
    hashes = {record["tenant"]["key_hash"]: record["tenant"]["key_alias"] for record in traffic.records}
    seen: dict[str, list[Logged]] = defaultdict(list)
    for row in traffic.proxy.logged():
        if (alias := hashes.get(row.key_hash)) in traffic.keys:
            seen[str(alias)].append(row)
    assert set(seen) == set(traffic.keys)
    for alias, rows in seen.items():
        assert max(rank(row.group) for row in rows) <= traffic.keys[alias].cap.rank, alias


def test_nobody_gets_another_tenants_answer(traffic: Traffic) -> None:
    owner = {entry["entry_id"]: entry["tenant"] for entry in traffic.proxy.show()["shown"]}
    assert owner
    hits = 0
    for alias, key in traffic.keys.items():
        for record in traffic.of(alias):
            if record["cache"]["status"] != "hit":
                continue
            hits += 1
            team, key_hash = traffic.proxy.team_ids[key.team], record["tenant"]["key_hash"]
            allowed = {"team": f"team:{team}", "private": f"key:{key_hash}"}
            assert owner[record["cache"]["entry_id"]] == allowed[key.cache], record
    assert hits


def test_a_budget_is_overshot_by_no_more_than_the_calls_in_flight(traffic: Traffic) -> None:
    costs = [of_calls(record) for record in traffic.of(SPENDING)]
    print(f"spent ${sum(costs):.6f} of ${BUDGET}, dearest ${max(costs):.6f}")
    assert sum(costs) <= BUDGET + sum(sorted(costs)[-AT_ONCE:])
