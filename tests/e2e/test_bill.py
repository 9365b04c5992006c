"""The bill of real keys is what LiteLLM's spend log says, by key and by end user, to a millionth of it."""

from __future__ import annotations

import csv
import io
import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from tests.cli.cli_calls import run
from tests.e2e.conftest import wait_until
from tests.e2e.gate_stack import ANSWERS, gate_policy
from tests.e2e.keyed_stack import WRITTEN_S, KeyedProxy, keyed_proxy

PROMPTS = [prompt for prompt in ANSWERS if "object" not in prompt and "wrapped" not in prompt]
REQUESTS = 60
_BY_END_USER = 'SELECT api_key, end_user, sum(spend) FROM "LiteLLM_SpendLogs" GROUP BY api_key, end_user'


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyedProxy]:
    work = tmp_path_factory.mktemp("bill")
    with keyed_proxy(work, gate_policy(work)) as proxy:
        yield proxy


def _spent(keyed: KeyedProxy) -> dict[tuple[str, str], float]:
    with psycopg.connect(keyed.database) as connection:
        rows = connection.execute(_BY_END_USER).fetchall()
    return {(key, user or ""): float(spend) for key, user, spend in rows if spend}


def _bill(keyed: KeyedProxy, *more: str) -> list[dict[str, str]]:
    month = f"{datetime.now(UTC):%Y-%m}"
    told = run("bill", "--month", month, "--records", keyed.stack.records, "--format", "csv", *more)
    assert told.exit_code == 0, told.output
    return list(csv.DictReader(io.StringIO(told.stdout)))


def test_a_bill_equals_the_spend_log(keyed: KeyedProxy) -> None:
    draw = random.Random(11)
    teams = {name: keyed.made("/team/new", team_alias=name, models=["auto"])["team_id"] for name in ("red", "blue")}
    keys = {
        alias: keyed.made("/key/generate", key_alias=alias, team_id=teams[team], models=["auto"])["key"]
        for alias, team in (("red-one", "red"), ("red-two", "red"), ("blue-one", "blue"))
    }
    sent: Counter[tuple[str, str]] = Counter()
    for _ in range(REQUESTS):
        alias, user = draw.choice(list(keys)), draw.choice(["kim", "lee", ""])
        kind = draw.choice(["chat", "responses", "messages"])
        # Messages name their end user in another place.
        named: dict[str, Any] = {"metadata": {"user_id": user}} if kind == "messages" else {"user": user}
        answer = keyed.ask_as(
            keys[alias], kind, draw.choice(PROMPTS), stream=draw.random() < 0.5, **(named if user else {})
        )
        assert answer.status_code == 200, answer.text
        sent[alias, user] += 1
    keyed.idle()
    wait_until(lambda: len(keyed.records()) == REQUESTS)

    def differing() -> dict[tuple[str, str], tuple[float, float]]:
        ours = {(r["key_hash"], r["end_user"]): float(r["cost_usd"]) for r in _bill(keyed)}
        spent = _spent(keyed)
        both = {who: (ours.get(who, 0.0), spent.get(who, 0.0)) for who in ours.keys() | spent.keys()}
        return {who: sums for who, sums in both.items() if sums[0] != pytest.approx(sums[1], rel=1e-6)}

    try:
        wait_until(lambda: not differing(), WRITTEN_S)
    finally:
        print(f"differing from the spend log: {differing()}")
    lines = _bill(keyed)
    assert {(line["key"], line["end_user"]): int(line["requests"]) for line in lines} == dict(sent)
    assert sum(float(line["cost_usd"]) for line in lines) > 0
    assert sum(int(line["escalated"]) for line in lines) > 0
    red = _bill(keyed, "--team", "red")
    assert {line["team"] for line in red} == {"red"}
    assert {line["team_id"] for line in red} == {teams["red"]}
    assert sum(int(line["requests"]) for line in red) == sum(n for (key, _), n in sent.items() if key != "blue-one")
