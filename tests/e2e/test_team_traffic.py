"""Six keys in three teams, mixed and forged requests, faults, a dead provider: caps, tenants, budgets and bills hold.

`ROUTER_TRAFFIC_REQUESTS` sets how many requests are sent, 300 if it is not given. What a key may have is checked
against LiteLLM's own spend log as well as against the records.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from custom_router.tiers import TIERS, Tier
from tests.e2e.cache_stack import ASKED, FRANCE
from tests.e2e.conftest import wait_until
from tests.e2e.gate_stack import request_of
from tests.e2e.team_stack import WRITTEN_S, Logged, Teams, requests_to_send, team_stack

AT_ONCE = 8
BUDGET = 0.004
PROMPTS = (
    "A sure one?", "A middling one?", "An unsure one?", "An empty one?", "A refused one?", "A cut one?", FRANCE, ASKED,
    "How is insulin stored?",
)  # fmt: skip
KINDS = ("chat", "responses", "messages")
# LiteLLM 1.106 bills a streamed text completion, and much after one, at nothing: no sums to compare once one was sent.
ALL_KINDS = ("chat", "completion", "responses", "messages")
FAULTS = ("rate_limit", "error_500", "refuse")
SPENDING = "green-budget"


@dataclass(frozen=True)
class Key:
    """What a key may have at most: a tier, and whose answers the cache may give it."""

    secret: str
    team: str
    cap: Tier
    cache: str


@dataclass
class Traffic:
    """What became of all requests."""

    teams: Teams
    keys: dict[str, Key]
    outcomes: dict[str, Counter[str]]
    records: list[dict[str, Any]]
    """Of the first part, without text completions, whose bills LiteLLM's log holds too."""
    later: list[dict[str, Any]]
    """Of the second part, on all four endpoints."""

    def of(self, alias: str, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [record for record in records if record["tenant"]["key_alias"] == alias]


def forged(draw: random.Random) -> tuple[dict[str, Any], dict[str, str]]:
    """Body fields and headers with which a client may try for more than it has."""
    body = draw.choice(
        [
            {"metadata": {"router": {"max_tier": "frontier", "cache": "team"}, "user_api_key_team_id": "red"}},
            {"metadata": {"user_api_key_metadata": {"router": {"max_tier": "frontier"}}, "tier_router_request": "x"}},
            {"litellm_metadata": {"user_api_key_team_metadata": {"router": {"max_tier": "frontier"}}}},
            {"fallbacks": ["tier-frontier"], "context_window_fallbacks": [{"tier-simple": ["tier-frontier"]}]},
            {"fallbacks": [{"tier-simple": ["tier-frontier"]}], "num_retries": 2},
            {},
        ]
    )
    headers = draw.choice(
        [
            {"x-router-tier": "frontier"},
            {"x-router-tier": "medium", "x-router-cache": "refresh"},
            {"x-router-domain": "medical"},
            {"x-router-cache-id": "1", "x-litellm-tags": "frontier"},
            {},
        ]
    )
    return body, headers


async def _send(teams: Teams, keys: dict[str, Key], kinds: tuple[str, ...], count: int) -> tuple[Any, int]:
    """Send `count` requests, a provider dying half-way; how they ended, by key, and how many say they were routed."""
    draw = random.Random(11)
    outcomes: dict[str, Counter[str]] = defaultdict(Counter)
    routed: Counter[str] = Counter()
    limit = asyncio.Semaphore(AT_ONCE)
    async with httpx.AsyncClient(base_url=teams.proxy.stack.url, timeout=60, trust_env=False) as http:

        async def one(number: int, alias: str, kind: str, prompt: str, stream: bool, forge: bool) -> None:
            path, body = request_of(kind, prompt)
            if kind == "responses":
                body["store"] = False
            more, headers = forged(draw) if forge else ({}, {})
            async with limit:
                if number == count // 2:
                    await asyncio.to_thread(teams.proxy.kill, "deepseek")
                response = await http.post(
                    path,
                    json={"model": "auto", "stream": stream, **body, **more},
                    headers={**headers, "Authorization": f"Bearer {keys[alias].secret}"},
                )
            over = "budget" in response.text.lower()
            outcomes[alias]["budget" if response.status_code != 200 and over else str(response.status_code)] += 1
            routed[alias] += "x-router-request-id" in response.headers

        sent = []
        for number in range(count):
            alias = draw.choice(list(keys))
            choices = (draw.choice(kinds), draw.choice(PROMPTS), draw.random() < 0.4, draw.random() < 0.4)
            sent.append(one(number, alias, *choices))
        await asyncio.gather(*sent)
    return outcomes, routed.total()


def _part(teams: Teams, keys: dict[str, Key], kinds: tuple[str, ...], count: int) -> tuple[Any, list[dict[str, Any]]]:
    known = {record["request_id"] for record in teams.proxy.records()}
    for provider in ("hosted_vllm", "gemini", "anthropic", "openai"):
        for fault in FAULTS:
            rule = {"provider": provider, "fault": fault, "probability": 0.02}
            teams.proxy.simulator.post("/_sim/faults", json=rule).raise_for_status()
    outcomes, routed = asyncio.run(_send(teams, keys, kinds, count))
    teams.proxy.reset()
    teams.proxy.idle()

    def new() -> list[dict[str, Any]]:
        return [record for record in teams.proxy.records() if record["request_id"] not in known]

    wait_until(lambda: len(new()) >= routed, 60)
    return outcomes, new()


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traffic]:
    with team_stack(tmp_path_factory.mktemp("traffic")) as teams:
        teams.team("red", {"max_tier": "medium"})
        teams.team("blue")
        teams.team("green", {"cache": "private"})
        made = {
            "red-capped": ("red", {"max_tier": "simple"}, {}, Tier.SIMPLE, "team"),
            "red-wide": ("red", {"max_tier": "frontier", "gate": "on"}, {}, Tier.MEDIUM, "team"),
            "blue-no-cache": ("blue", {"cache": "off"}, {}, Tier.FRONTIER, "off"),
            "blue-no-gate": ("blue", {"gate": "off"}, {}, Tier.FRONTIER, "team"),
            SPENDING: ("green", {"cache": "team"}, {"max_budget": BUDGET}, Tier.FRONTIER, "private"),
            "green-malformed": ("green", {"max_tier": "topmost"}, {}, Tier.SIMPLE, "private"),
        }
        keys = {
            alias: Key(teams.key(alias, team, router, **fields), team, cap, cache)
            for alias, (team, router, fields, cap, cache) in made.items()
        }
        count = requests_to_send(300)
        outcomes, records = _part(teams, keys, KINDS, count * 3 // 4)
        billed(teams, records)
        more, later = _part(teams, keys, ALL_KINDS, count // 4)
        for alias, of in more.items():
            outcomes[alias].update(of)
        for alias, of in outcomes.items():
            print(alias, dict(of))
        yield Traffic(teams, keys, outcomes, records, later)


def billed(teams: Teams, records: list[dict[str, Any]]) -> dict[str, tuple[float, float]]:
    """By key, dollars in the records and in LiteLLM's spend log, once the log holds every answered request."""
    answered = {record["request_id"] for record in records if record["outcome"]["status"] == "ok"}
    wait_until(lambda: answered <= {row.request_id for row in teams.logged()}, WRITTEN_S)
    ours: dict[str, float] = defaultdict(float)
    theirs: dict[str, float] = defaultdict(float)

    def agree() -> bool:
        ours.clear()
        theirs.clear()
        for record in records:
            ours[record["tenant"]["key_hash"]] += record["cost"]["total"] or 0.0
        of = {record["request_id"] for record in records}
        for row in teams.logged():
            if row.request_id in of:
                theirs[row.key_hash] += row.spend
        return all(abs(ours[key] - theirs[key]) < 1e-6 for key in ours | theirs)

    try:
        wait_until(agree, WRITTEN_S)
    finally:
        print({key[:8]: (ours[key], theirs[key]) for key in ours})
    return {key: (ours[key], theirs[key]) for key in ours}


def rank(group: str) -> int:
    """The rank of a tier's model group; -1 for the cache's."""
    return next((tier.rank for tier in TIERS if group == f"tier-{tier.value}"), -1)


def test_the_traffic_was_what_it_should_be(traffic: Traffic) -> None:
    """A test of limits shows nothing where nothing pressed on them."""
    everything = [*traffic.records, *traffic.later]
    causes = Counter(cause for record in everything for cause in record["causes"])
    assert {"caller_cap", "gate_over_cap", "provider_fallback", "caller_policy_malformed"} <= causes.keys(), causes
    assert any(record["gate"]["escalated_to"] for record in everything)
    assert {record["call_type"] for record in traffic.later} == {"chat", "completion", "responses", "messages"}
    assert {alias for alias in traffic.keys if traffic.of(alias, everything)} == set(traffic.keys)
    assert Counter(record["cache"]["status"] for record in everything)["hit"] > 0
    assert traffic.outcomes[SPENDING]["budget"] > 0
    print(dict(causes), Counter(record["outcome"]["status"] for record in everything))


def test_nobody_is_answered_above_the_cap(traffic: Traffic) -> None:
    for alias, key in traffic.keys.items():
        for record in traffic.of(alias, [*traffic.records, *traffic.later]):
            assert Tier(record["tier"]).rank <= key.cap.rank, record
            assert rank(record["model_group"]) <= key.cap.rank, record


def test_the_spend_log_knows_of_no_dearer_tier_either(traffic: Traffic) -> None:
    logged = traffic.teams.logged()
    hashes = {record["tenant"]["key_hash"]: record["tenant"]["key_alias"] for record in traffic.records}
    seen: dict[str, list[Logged]] = defaultdict(list)
    for row in logged:
        if row.key_hash in hashes:
            seen[hashes[row.key_hash]].append(row)
    assert set(seen) == set(traffic.keys)
    for alias, rows in seen.items():
        assert max(rank(row.group) for row in rows) <= traffic.keys[alias].cap.rank, alias


def test_nobody_gets_another_tenants_answer(traffic: Traffic) -> None:
    owner = {entry["entry_id"]: entry["tenant"] for entry in traffic.teams.proxy.show()["shown"]}
    assert owner
    hits = 0
    for alias, key in traffic.keys.items():
        for record in traffic.of(alias, [*traffic.records, *traffic.later]):
            if record["cache"]["status"] != "hit":
                continue
            hits += 1
            team, key_hash = traffic.teams.ids[key.team], record["tenant"]["key_hash"]
            allowed = {"team": f"team:{team}", "private": f"key:{key_hash}"}
            assert owner[record["cache"]["entry_id"]] == allowed[key.cache], record
    assert hits


def test_a_budget_is_overshot_by_no_more_than_the_calls_in_flight(traffic: Traffic) -> None:
    costs = [record["cost"]["total"] or 0.0 for record in traffic.of(SPENDING, [*traffic.records, *traffic.later])]
    print(f"spent ${sum(costs):.6f} of ${BUDGET}, dearest ${max(costs):.6f}")
    assert sum(costs) <= BUDGET + sum(sorted(costs)[-AT_ONCE:])


def test_the_records_bill_what_the_spend_log_bills(traffic: Traffic) -> None:
    sums = billed(traffic.teams, traffic.records)
    assert len(sums) == len(traffic.keys)
    assert sum(ours for ours, _ in sums.values()) > 0
