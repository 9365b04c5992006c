"""Requests from beginning to end: one record each, headers that tell it, and no exception on the way."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from custom_router.causes import Cause
from custom_router.decision import NO_LIMITS, Decision
from custom_router.encoder.fake import FakeEncoder
from custom_router.engine import RouterEngine
from custom_router.lifecycle import Arrival, Ending, Served
from custom_router.policy import Caller
from custom_router.records.pending import MAX_AGE_SECONDS, Pending
from custom_router.records.record import Tenant, TokenFields
from custom_router.records.sinks import JsonLinesSink, MemorySink
from custom_router.request import RequestView
from custom_router.runtime import Runtime
from custom_router.tiers import Tier

POLICY = """\
tiers:
  simple: {model: g-simple, threshold: 0.6}
  medium: {model: g-medium, threshold: 0.6}
  frontier: {model: g-frontier}
classifier: {kind: constant, constant: 0.9}
gate: {enabled: false}
"""
HEADERS = {
    "x-router-tier", "x-router-cause", "x-router-complexity", "x-router-confidence", "x-router-escalated",
    "x-router-domain", "x-router-cache", "x-router-cache-id", "x-router-cache-age", "x-router-policy",
    "x-router-request-id", "x-router-overhead-ms",
}  # fmt: skip
VIEW = RequestView.from_chat({"messages": [{"role": "user", "content": "my number is 42"}], "stream": True})
TENANT = Tenant(team="t", team_alias="Team", key_alias="k", key_hash="h")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY)
    return file


@pytest.fixture
def engine(path: Path) -> Iterator[RouterEngine]:
    made = RouterEngine(path, load_encoder=FakeEncoder)
    yield made
    made.close()


@pytest.fixture
def sink() -> MemorySink:
    return MemorySink()


@pytest.fixture
def runtime(engine: RouterEngine, sink: MemorySink) -> Runtime:
    return Runtime(engine, sink)


def edit(runtime: Runtime, text: str) -> None:
    """Save a policy text over the runtime's file, and let it look."""
    Path(runtime.engine.watcher.status.source).write_text(text)
    runtime.engine.watcher.check()


async def begin(
    runtime: Runtime, view: RequestView = VIEW, caller: Caller | None = None, began: float | None = None
) -> tuple[str, Pending, Decision]:
    arrival = Arrival("auto", TENANT, "call-1", "scope", time.perf_counter() if began is None else began)
    return await runtime.begin(view, caller or Caller(), arrival, NO_LIMITS)


async def test_a_request_from_beginning_to_end(runtime: Runtime, sink: MemorySink) -> None:
    token, pending, decision = await begin(runtime)
    assert (decision.served, pending.record.model_group) == (Tier.SIMPLE, "g-simple")
    assert sink.records == [], "no record before the end"
    record = runtime.end(
        token,
        Ending(
            "ok",
            Served("g-simple", "d1"),
            tokens=TokenFields(1_000, 100),
            cost=0.001,
            ttft_ms=12.34567,
            alternatives={"simple": 0.001, "frontier": 0.02},
        ),
    )
    assert sink.records == [record]
    made = sink.records[0]
    assert (made.tier, made.decided_tier, made.deployment, made.causes) == ("simple", "simple", "d1", ["score"])
    assert made.decided_by == "score"
    assert (made.entry_model, made.call_type, made.stream, made.litellm_call_id) == ("auto", "chat", True, "call-1")
    assert (made.tenant, made.text, made.outcome.status) == (TENANT, None, "ok")
    assert made.cost.frontier_baseline == pytest.approx(0.02)
    assert made.cost.saved == pytest.approx(0.019)
    assert made.latency_ms["ttft"] == 12.346
    assert made.latency_ms["total"] >= made.latency_ms["overhead"]
    assert {"rules", "decide", "overhead"} <= set(made.latency_ms)


async def test_headers_tell_the_record_and_are_always_all_there(runtime: Runtime) -> None:
    token, pending, _ = await begin(runtime)
    headers = runtime.headers(token, None)
    assert headers is not None
    assert set(headers) == HEADERS
    assert headers["x-router-tier"] == "simple"
    assert headers["x-router-complexity"] == "1.0"
    assert headers["x-router-request-id"] == pending.record.request_id
    assert token not in headers.values(), "who knows the token can end the request"
    assert headers["x-router-domain"] == headers["x-router-cache-id"] == headers["x-router-confidence"] == "none"
    assert all(value.isascii() and value.isprintable() for value in headers.values())
    assert runtime.headers("unknown", None) is None


async def test_a_request_ends_once_and_only_once(runtime: Runtime, sink: MemorySink) -> None:
    token, _, _ = await begin(runtime)
    assert runtime.end(token, Ending("ok")) is not None
    assert runtime.end(token, Ending("error", error="Late")) is None
    assert runtime.end("someone-elses", Ending("ok")) is None
    assert [record.outcome.status for record in sink.records] == ["ok"]


async def test_tokens_are_unguessable_and_distinct(runtime: Runtime) -> None:
    tokens = {(await begin(runtime))[0] for _ in range(50)}
    assert len(tokens) == 50
    assert all(len(token) == 32 for token in tokens)


@pytest.mark.parametrize("billed", [None, 3.0])
async def test_an_error_costs_what_was_billed_and_saves_nothing(
    runtime: Runtime, sink: MemorySink, billed: float | None
) -> None:
    token, _, _ = await begin(runtime)
    runtime.end(token, Ending("error", error="RateLimitError", cost=billed))
    (record,) = sink.records
    assert (record.outcome.status, record.outcome.error) == ("error", "RateLimitError")
    assert (record.cost.total, record.cost.saved) == (billed, None)
    assert record.latency_ms["total"] >= 0


async def test_a_fallback_to_another_tier_shows_in_headers_and_record(runtime: Runtime, sink: MemorySink) -> None:
    token, _, _ = await begin(runtime)
    served = Served("g-frontier", "f1")
    headers = runtime.headers(token, served)
    assert headers is not None
    assert (headers["x-router-tier"], headers["x-router-cause"]) == ("frontier", "score,tier_fallback")
    runtime.end(token, Ending("ok", served))
    (record,) = sink.records
    assert (record.tier, record.decided_tier, record.model_group) == ("frontier", "simple", "g-frontier")
    assert record.causes == ["score", "tier_fallback"], "noted once, though it was seen twice"


async def test_the_second_provider_of_the_tier_is_a_provider_fallback(runtime: Runtime, sink: MemorySink) -> None:
    token, _, _ = await begin(runtime)
    runtime.end(token, Ending("ok", Served("g-simple", "s2", order=2)))
    assert (sink.records[0].tier, sink.records[0].causes) == ("simple", ["score", "provider_fallback"])


async def test_a_group_that_is_no_tier_changes_no_tier(runtime: Runtime, sink: MemorySink) -> None:
    token, _, _ = await begin(runtime)
    runtime.end(token, Ending("ok", Served("someone-elses-group", None)))
    assert (sink.records[0].tier, sink.records[0].causes) == ("simple", ["score"])


async def test_a_reload_in_between_does_not_rename_the_tiers_of_a_request(runtime: Runtime, sink: MemorySink) -> None:
    token, _, _ = await begin(runtime)
    edit(runtime, POLICY.replace("g-simple", "renamed").replace("g-frontier", "g-simple"))
    assert runtime.engine.policy.document.tiers.simple.model == "renamed"
    runtime.end(token, Ending("ok", Served("g-simple", "d1")))
    assert (sink.records[0].tier, sink.records[0].causes) == ("simple", ["score"])


async def test_requests_that_never_end_are_written_as_unknown(
    runtime: Runtime, sink: MemorySink, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, pending, _ = await begin(runtime)
    later = time.perf_counter() + MAX_AGE_SECONDS + 1
    monkeypatch.setattr(runtime.pending, "_clock", lambda: later)
    new, _, _ = await begin(runtime, began=later)
    assert [(r.request_id, r.outcome.status) for r in sink.records] == [(pending.record.request_id, "unknown")]
    assert runtime.end(old, Ending("ok")) is None
    assert runtime.end(new, Ending("ok")) is not None


async def test_a_failed_requests_headers_can_be_asked_for_after_its_end(runtime: Runtime) -> None:
    token, pending, _ = await begin(runtime)
    runtime.end(token, Ending("error", error="Timeout", served=Served("g-frontier", None)))
    headers = runtime.headers(token, None)
    assert headers is not None
    assert (headers["x-router-request-id"], headers["x-router-tier"]) == (pending.record.request_id, "frontier")


@pytest.mark.parametrize(
    ("default", "cap", "tier", "causes"),
    [
        ("frontier", Tier.FRONTIER, Tier.FRONTIER, [Cause.ENGINE_ERROR]),
        ("frontier", Tier.MEDIUM, Tier.MEDIUM, [Cause.ENGINE_ERROR, Cause.CALLER_CAP]),
        ("simple", Tier.FRONTIER, Tier.SIMPLE, [Cause.ENGINE_ERROR]),
    ],
)
@pytest.mark.parametrize("mode", ["enforce", "shadow"])
async def test_a_broken_engine_gives_the_default_tier_under_the_callers_cap(
    runtime: Runtime, sink: MemorySink, monkeypatch: pytest.MonkeyPatch,
    mode: str, default: str, cap: Tier, tier: Tier, causes: list[Cause],
) -> None:  # fmt: skip
    edit(runtime, f"{POLICY}mode: {mode}\ndefault_tier: {default}\n")

    async def broken(*_: Any, **__: Any) -> Decision:
        raise KeyError("a defect")

    monkeypatch.setattr(runtime.engine, "decide", broken)
    token, pending, decision = await begin(runtime, caller=Caller(max_tier=cap))
    assert (decision.served, decision.mode) == (tier, mode)
    assert list(decision.causes) == causes
    assert pending.record.model_group == f"g-{tier.value}"
    headers = runtime.headers(token, None)
    assert headers is not None
    assert headers["x-router-cause"].startswith("engine_error")
    assert runtime.end(token, Ending("ok")) is not None
    assert len(sink.records) == 1


@pytest.mark.parametrize("level", ["off", "redacted", "full"])
async def test_text_enters_the_record_only_as_the_caller_allows(runtime: Runtime, sink: MemorySink, level: Any) -> None:
    token, _, _ = await begin(runtime, caller=Caller(log_text=level))
    runtime.end(token, Ending("ok"))
    expected = {"off": None, "redacted": "my number is ##", "full": "my number is 42"}[level]
    assert sink.records[0].text == expected
    assert ("number is 42" in sink.records[0].to_json().decode()) == (level == "full")


async def test_shadow_records_what_it_would_have_done(runtime: Runtime, sink: MemorySink) -> None:
    edit(runtime, f"{POLICY}mode: shadow\n")
    token, pending, _ = await begin(runtime)
    assert pending.record.model_group == "g-frontier"
    runtime.end(token, Ending("ok", Served("g-frontier", "f1")))
    (record,) = sink.records
    assert (record.tier, record.decided_tier, record.mode) == ("frontier", "simple", "shadow")
    assert record.causes == ["score", "mode_shadow"]


async def test_health_names_a_refused_edit(runtime: Runtime, path: Path) -> None:
    await begin(runtime)
    health = runtime.health()
    assert (health["status"], health["requests_under_way"], health["policy"]["findings"]) == ("ok", 1, [])
    assert health["encoder"]["needed"] is False
    edit(runtime, POLICY + "mode: fast\n")
    health = runtime.health()
    assert health["status"] == "degraded"
    line = POLICY.count("\n") + 1
    assert f"{path}:{line}: mode:" in health["policy"]["findings"][0]
    json.dumps(health)


async def test_health_tells_of_a_cache_that_is_not_the_one_asked_for(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_REDIS_URL", raising=False)
    edit(runtime, POLICY + "cache: {redis: {url: os.environ/NO_REDIS_URL}}\n")
    health = runtime.health()
    assert (health["status"], health["cache"]["store"]) == ("degraded", "memory")
    assert "NO_REDIS_URL is not set" in health["cache"]["error"]
    edit(runtime, POLICY + "cache: {enabled: false, redis: {url: os.environ/NO_REDIS_URL}}\n")
    assert runtime.health()["status"] == "ok"
    edit(runtime, POLICY)
    health = runtime.health()
    assert (health["status"], health["cache"]["error"]) == ("ok", None)


async def test_closing_writes_every_request_under_way(engine: RouterEngine, tmp_path: Path) -> None:
    directory = tmp_path / "records"
    runtime = Runtime(engine, JsonLinesSink(directory, segment_bytes=2**20, keep=1, queue_size=100))
    begun = [await begin(runtime) for _ in range(5)]
    runtime.end(begun[0][0], Ending("ok"))
    runtime.close()
    runtime.close()
    lines = [json.loads(line) for file in directory.iterdir() for line in file.read_text().splitlines()]
    assert [line["request_id"] for line in lines] == [pending.record.request_id for _, pending, _ in begun]
    assert [line["outcome"]["status"] for line in lines] == ["ok", *["unknown"] * 4]


@pytest.mark.parametrize("content", [None, "", "mode: fast", "tiers: 3"])
async def test_a_policy_that_cannot_be_used_does_not_stop_the_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "policy.yaml"
    if content is not None:
        path.write_text(content)
    runtime = Runtime.serve(path)
    try:
        token, pending, decision = await begin(runtime)
        assert (decision.served, pending.record.model_group) == (Tier.FRONTIER, "tier-frontier")
        assert runtime.health()["status"] == "degraded"
        runtime.end(token, Ending("ok"))
        path.write_text(POLICY)
        runtime.engine.watcher.check()
        assert (await begin(runtime))[2].served is Tier.SIMPLE
    finally:
        runtime.close()
