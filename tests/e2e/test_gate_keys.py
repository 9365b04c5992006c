"""Real virtual keys: what the gate spends is in LiteLLM's own spend log, once, on the caller's key, within its budget.

`ROUTER_GATE_REQUESTS` sets how many mixed requests are sent, 150 if it is not given.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import wait_until
from tests.e2e.gate_stack import ANSWERS, TOP, gate_policy, logprobs_in, request_of, text_of
from tests.e2e.keyed_stack import WRITTEN_S, KeyedProxy, keyed_proxy

REQUESTS = int(os.environ.get("ROUTER_GATE_REQUESTS", "150"))
KINDS = ("chat", "completion", "responses", "messages")
PROMPTS = [prompt for prompt in ANSWERS if "object" not in prompt and "wrapped" not in prompt]
FAULTS = ("refuse", "rate_limit", "error_500", "malformed_json", "cut_stream", "slow_first_token")
PROVIDERS = ("deepseek", "hosted_vllm", "anthropic", "openai")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyedProxy]:
    work = tmp_path_factory.mktemp("keys")
    with keyed_proxy(work, gate_policy(work, deadline_s=5.0)) as proxy:
        yield proxy


async def _send(keys: KeyedProxy, given: list[tuple[str, str, str, bool, bool]]) -> Counter[str]:
    """Send (key, kind, prompt, streamed, leaves early) and count what came of them."""
    outcomes: Counter[str] = Counter()
    limit = asyncio.Semaphore(8)
    async with httpx.AsyncClient(base_url=keys.stack.url, timeout=60, trust_env=False) as http:

        async def one(key: str, kind: str, prompt: str, stream: bool, leaves: bool) -> None:
            path, body = request_of(kind, prompt)
            call = {"json": {"model": "auto", "stream": stream, **body}, "headers": {"Authorization": f"Bearer {key}"}}
            async with limit:
                try:
                    timeout = httpx.Timeout(60, read=0.15) if leaves else httpx.Timeout(60)
                    response = await http.post(path, timeout=timeout, **call)
                except httpx.ReadTimeout:
                    outcomes["left" if leaves else "hung"] += 1
                except httpx.TransportError:
                    outcomes["broken"] += 1
                else:
                    outcomes[str(response.status_code)] += 1
                    if response.status_code == 200 and '"error"' not in response.text:
                        outcomes["leaked"] += bool(logprobs_in(response.text))
                        outcomes[_came_as(prompt, text_of(kind, response))] += 1

        await asyncio.gather(*(one(*item) for item in given))
    return outcomes


def _came_as(prompt: str, text: str) -> str:
    """Whether one model's answer came `whole`, in `part` (a provider wrote half an event, which LiteLLM reads past), or
    `mixed` with another's."""
    said = {TOP, *(answer for _, answer, *_ in ANSWERS[prompt])}
    generated = text.startswith("[simulated ") and not any(one in text for one in said if one)
    if text in said or generated:  # the middle tier, in a fallback, has no recorded answer
        return "whole"
    return "part" if text and any(text in one for one in said) else "mixed"


def _mixed(keys: KeyedProxy, callers: list[str], kinds: tuple[str, ...], count: int) -> list[dict[str, Any]]:
    """Send mixed requests over faulty providers; the records of all of them, once nothing is under way."""
    draw = random.Random(7)
    known = {record["request_id"] for record in keys.records()}
    for provider in PROVIDERS:
        for fault in draw.sample(FAULTS, 3):
            rule = {"provider": provider, "fault": fault, "probability": 0.04}
            keys.simulator.post("/_sim/faults", json=rule).raise_for_status()
    requests = [
        (draw.choice(callers), draw.choice(kinds), draw.choice(PROMPTS), draw.random() < 0.5, draw.random() < 0.08)
        for _ in range(count)
    ]
    outcomes = asyncio.run(_send(keys, requests))
    keys._broken = True
    keys.reset()
    assert outcomes["hung"] == outcomes["broken"] == outcomes["leaked"] == 0, outcomes
    # What has been sent is never taken back: each client got one model's answer.
    assert outcomes["mixed"] == 0, outcomes
    assert outcomes["whole"] > count // 2, outcomes
    # A deployment may take 30 s for a request whose client has left, and so may the tier's other one.
    wait_until(lambda: keys.health()["requests_under_way"] == 0, 90)
    # A client may leave before its request has arrived.
    wait_until(lambda: len(keys.records()) - len(known) >= count - outcomes["left"], 90)
    records = [record for record in keys.records() if record["request_id"] not in known]
    assert len({record["request_id"] for record in records}) == len(records) <= count
    print(f"{dict(outcomes)}, {len(records)} records")
    return records


def test_mixed_traffic_is_billed_once_and_nothing_hangs(keys: KeyedProxy) -> None:
    callers = [keys.key(key_alias=f"caller-{number}") for number in range(3)]
    records = _mixed(keys, callers, KINDS, REQUESTS)
    assert any(record["gate"]["escalated_to"] for record in records)
    ours = {(r["tenant"]["key_hash"], r["request_id"]): r["cost"]["total"] or 0.0 for r in records}
    assert len({key for key, _ in ours}) == len(callers)

    def differing() -> dict[tuple[str, str | None], tuple[float, float]]:
        """Requests that cost one thing by their record and another by LiteLLM's spend log."""
        spent: dict[tuple[str, str | None], float] = defaultdict(float)
        for row in keys.logged():
            spent[row.key_hash, row.request_id] += row.spend
        both = {request: (ours.get(request, 0.0), spent.get(request, 0.0)) for request in ours.keys() | spent.keys()}
        return {request: sums for request, sums in both.items() if sums[0] != pytest.approx(sums[1], rel=1e-6)}

    try:
        wait_until(lambda: not differing(), WRITTEN_S)
    finally:
        print(f"{sum(ours.values())} $ in records; differing from the spend log: {(left := differing())}")
        print(
            *(record for record in records if record["request_id"] in {request_id for _, request_id in left}), sep="\n"
        )


def test_what_came_of_a_stream_that_broke_is_in_the_record_too(keys: KeyedProxy) -> None:
    """LiteLLM bills it on the row of the failure, where nothing took its place."""
    keys._broken = True
    keys.reset()
    known = {record["request_id"] for record in keys.records()}
    keys.fault("cut_stream", "deepseek", "hosted_vllm")
    keys.fault("refuse", "anthropic", "openai")
    for prompt in ("A long unsure one?", "A refused one?"):
        keys.ask_as(keys.key(), "completion", prompt, stream=True)
    keys.reset()
    wait_until(lambda: len(keys.records()) == len(known) + 2)
    for record in (record for record in keys.records() if record["request_id"] not in known):
        assert (record["outcome"]["status"], record["cost"]["saved"]) == ("error", None)
        paid = pytest.approx(record["cost"]["total"], rel=1e-6)
        assert record["cost"]["total"] > 0
        wait_until(lambda i=record["request_id"], paid=paid: keys.spent().get(i) == paid, WRITTEN_S)


def test_a_key_without_budget_left_is_not_escalated(keys: KeyedProxy) -> None:
    keys._broken = True
    keys.reset()
    poor, rich = keys.key(max_budget=2e-5), keys.key(max_budget=1.0)
    for key, tier in ((poor, "simple"), (rich, "frontier")):
        for stream in (False, True):
            response = keys.ask("chat", "A refused one?", stream=stream, headers={"Authorization": f"Bearer {key}"})
            if response.status_code != 200:
                assert "budget" in response.text.lower()
                continue
            record = keys.record(response)
            assert record["tier"] == tier
            assert ("gate_over_budget" in record["causes"]) == (tier == "simple")


@pytest.mark.parametrize("settings", [{"gate": "off"}, {"max_tier": "simple"}])
def test_a_keys_own_settings_hold(keys: KeyedProxy, settings: dict[str, str]) -> None:
    key = keys.key(settings)
    response = keys.ask("chat", "A refused one?", headers={"Authorization": f"Bearer {key}"})
    record = keys.record(response)
    assert record["tier"] == "simple"
    assert (record["gate"]["verdict"] == "bypass") == ("gate" in settings)
