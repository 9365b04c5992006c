"""POST /router/explain: what would happen, to whom, and that nothing happens."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from prometheus_client import REGISTRY

from custom_router.api.explain import A_MINUTE
from custom_router.cache.key import CacheTenant
from custom_router.cache_control import CacheControl, Pair
from custom_router.runtime import Runtime
from custom_router.tiers import Tier
from tests.api.app import application, client, record


async def explained(runtime: Runtime, key: str = "red", **body: Any) -> dict[str, Any]:
    async with client(application(runtime), key) as http:
        answer = await http.post("/router/explain", json=body)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_a_prompt_is_explained_with_its_rules_and_prices(runtime: Runtime) -> None:
    told = await explained(runtime, "admin", prompt="Which mortgage, for this IBAN?", output_tokens=100)
    assert told["explanation"]["tier"] == "frontier"
    assert {cause["code"] for cause in told["explanation"]["causes"]} >= {"domain_rule"}
    assert told["rules"] == [{"domain": "finance", "rule": "term:mortgage", "pattern": None}]
    assert [price["tier"] for price in told["prices"]["tiers"]] == ["simple", "medium", "frontier"]
    input_tokens = told["prices"]["input_tokens"]
    assert [price["usd"] for price in told["prices"]["tiers"]] == pytest.approx(
        [10**rank * (input_tokens * 1e-7 + 100 * 1e-6) for rank in range(3)]
    )
    assert {"change": "without the finance match (term:mortgage)", "tier": "simple"} in told["explanation"][
        "alternatives"
    ]


async def test_a_pattern_is_shown_to_administrators_only(runtime: Runtime) -> None:
    by_pattern = [{"domain": "finance", "rule": "pattern:1", "pattern": "\\bIBAN\\b"}]
    assert (await explained(runtime, "admin", prompt="an IBAN"))["rules"] == by_pattern
    assert (await explained(runtime, "red", prompt="an IBAN"))["rules"] == [{**by_pattern[0], "pattern": None}]


async def test_a_keys_own_limits_hold(runtime: Runtime) -> None:
    long = {"role": "user", "content": "word " * 30_000}
    assert (await explained(runtime, "red", messages=[long]))["explanation"]["served"] == "medium"
    told = await explained(runtime, "blue", prompt="hello")
    assert (told["caller"]["max_tier"], told["caller"]["cache"]) == ("medium", "private")


async def test_only_an_administrator_asks_for_somebody_else(runtime: Runtime) -> None:
    body = {"prompt": "hello", "as": {"team": "blue", "settings": {"max_tier": "simple"}}}
    async with client(application(runtime), "red") as http:
        assert (await http.post("/router/explain", json=body)).status_code == 403
    assert (await explained(runtime, "admin", **body))["caller"]["max_tier"] == "simple"


def counts() -> dict[str, float]:
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for family in REGISTRY.collect()
        for sample in family.samples
        if sample.name.startswith("tier_router") and not sample.name.endswith("_created")
    }


async def test_nothing_is_stored_counted_or_remembered(runtime: Runtime) -> None:
    before = counts()
    for kind in ("chat", "completion", "responses", "messages"):
        for _ in range(3):
            await explained(runtime, prompt="Which mortgage?", call_type=kind)
    assert counts() == before
    assert runtime.caching.health()["entries"] == 0
    assert len(runtime.pending) == 0
    assert len(runtime.engine.conversations) == 0
    assert not runtime.finished.recent


async def test_whose_stored_answer_would_be_given(runtime: Runtime) -> None:
    # The question is in the cache for the team red.
    control, prompt = CacheControl(runtime), "What is the capital of France?"
    runtime.caching.deployed = _Models()
    warmed = await control.warm([Pair(question=prompt, answer="Paris")], CacheTenant(None, "red"), Tier.FRONTIER)
    assert warmed.kept == 1
    for key, status in (("red", "hit"), ("red2", "hit"), ("blue", "miss"), ("lone", "miss")):
        for _ in range(2):
            told = await explained(runtime, key, prompt=prompt)
            assert told["cache"]["status"] == status, key
    refused = await explained(runtime, "red", request={"messages": [{"role": "user", "content": prompt}], "n": 2})
    assert (refused["cache"]["status"], refused["cache"]["guard"]) == ("bypass", "several_answers")
    assert refused["cache"]["meaning"] == "more than one answer is asked for"


class _Models:
    def model_of(self, model_id: object) -> str | None:
        return None

    def models(self, tiers: Any) -> str:
        return "simple=a medium=b frontier=c"


async def test_the_length_of_an_answer_is_taken_from_answers(runtime: Runtime) -> None:
    assert "for want of" in (await explained(runtime, prompt="hello"))["prices"]["assumption"]
    for number in range(20):
        made = record(number)
        made.tokens.output = 40
        runtime.finished.add(made)
    told = (await explained(runtime, prompt="hello"))["prices"]
    assert (told["output_tokens"], told["assumption"].endswith("20 answers of this worker's")) == (40, True)
    told = (await explained(runtime, request={"messages": [{"role": "user", "content": "hi"}], "max_tokens": 7}))[
        "prices"
    ]
    assert told["output_tokens"] == 7


@pytest.mark.parametrize(
    "body",
    [
        {}, {"prompt": "a", "messages": []}, {"prompt": "x" * 400_001}, {"prompt": 1}, {"messages": "no"},
        {"prompt": "a", "call_type": "x"}, {"prompt": "a", "output_tokens": -1}, {"prompt": "a", "stray": 1},
        {"request": []},
    ],
)  # fmt: skip
async def test_what_makes_no_sense_is_refused(runtime: Runtime, body: dict[str, Any]) -> None:
    async with client(application(runtime), "red") as http:
        assert (await http.post("/router/explain", json=body)).status_code == 422


async def test_an_unreadable_request_is_explained_too(runtime: Runtime) -> None:
    for body in ({"messages": [{"role": "assistant"}]}, {"messages": []}, {"model": {"a": 1}, "messages": [{}]}):
        told = await explained(runtime, request=body)
        assert told["explanation"]["tier"] == "frontier"
        assert "malformed_request" in {cause["code"] for cause in told["explanation"]["causes"]}


async def test_markup_in_a_prompt_comes_back_as_data(runtime: Runtime) -> None:
    async with client(application(runtime), "red") as http:
        answer = await http.post("/router/explain", json={"prompt": "<script>alert(1)</script>"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert orjson.loads(answer.content)


@pytest.mark.parametrize(("escape", "status"), [("\\ud800", 422), ("\\u0000", 200), ("\\ud83d\\ude00", 200)])
async def test_odd_characters_break_nothing(runtime: Runtime, escape: str, status: int) -> None:
    headers = {"content-type": "application/json"}
    async with client(application(runtime), "red") as http:
        given = f'{{"prompt": "{escape}"}}'
        assert (await http.post("/router/explain", content=given, headers=headers)).status_code == status
        given = f'{{"messages": [{{"role": "user", "content": "{escape}"}}]}}'
        assert (await http.post("/router/explain", content=given, headers=headers)).status_code == 200


async def test_a_key_may_ask_only_so_often(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("custom_router.per_minute.time.monotonic", lambda: 6_000.0)
    app = application(runtime)
    async with client(app, "red") as red, client(app, "red2") as red2, client(app) as admin:
        for _ in range(A_MINUTE):
            assert (await red.post("/router/explain", json={"prompt": "hello"})).status_code == 200
        assert (await red.post("/router/explain", json={"prompt": "hello"})).status_code == 429
        for other in (red2, admin):
            assert (await other.post("/router/explain", json={"prompt": "hello"})).status_code == 200
