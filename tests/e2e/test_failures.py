"""What breaks, really broken: providers, the policy file, the encoder, the disk. No request may be lost."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from custom_router.demo.stack import Stack
from custom_router.demo.traffic import Application, DemoPrompt
from tests.e2e.conftest import ROOT, BareStack, Proxy, quick_config, shipped_policy, wait_until

EASY = "Give me a synonym for glad."


def test_killing_providers_under_load_loses_no_request(fresh: Proxy) -> None:
    """Each tier's first choice dies while 60 requests are on their way, plain and streamed."""
    forms = ["plain", "stream", "responses", "messages"]
    prompts = [DemoPrompt(f"{EASY} Variant {i}.", forms[i % 4]) for i in range(60)]

    async def send() -> list[str | None]:
        application = Application(fresh.stack.url, fresh.stack.master_key)
        limit = asyncio.Semaphore(6)

        async def one(number: int, prompt: DemoPrompt) -> str | None:
            async with limit:
                if number == 20:
                    await asyncio.to_thread(fresh.kill, "deepseek", "gemini", "anthropic")
                return (await application.ask(prompt)).error

        try:
            return await asyncio.gather(*(one(i, p) for i, p in enumerate(prompts)))
        finally:
            await application.close()

    assert [error for error in asyncio.run(send()) if error] == []
    seen = fresh.seen()
    assert seen["openai"] or seen["hosted_vllm"]


@pytest.mark.parametrize("fault", ["rate_limit", "error_500", "malformed_json", "refuse"])
def test_a_faulty_first_choice_is_answered_by_the_same_tiers_other_provider(fresh: Proxy, fault: str) -> None:
    fresh.fault(fault, "deepseek", "gemini", "anthropic")
    response = fresh.chat("Is a mortgage tax deductible?")
    assert response.status_code == 200
    assert response.headers["x-router-tier"] == "frontier"
    record = fresh.records_of(response.headers["x-router-request-id"])[0]
    assert record["outcome"]["status"] == "ok"
    assert "tier_fallback" not in record["causes"]


def test_when_everything_is_down_the_error_is_clear_and_recorded(fresh: Proxy) -> None:
    fresh.kill("deepseek", "hosted_vllm", "gemini", "openai", "anthropic")
    response = fresh.chat("Is a mortgage tax deductible?")
    assert response.status_code >= 429
    assert response.json()["error"]["message"]
    records = fresh.records_of(response.headers["x-router-request-id"])
    assert [r["outcome"]["status"] for r in records] == ["error"]
    assert records[0]["outcome"]["error"]
    assert records[0]["cost"]["saved"] is None


class OwnStack(BareStack):
    """Does not wait for a healthy router; `spoil` replaces the policy's text just before the proxy starts."""

    spoil: str | None = None

    def _start_proxy(self) -> None:
        if self.spoil is not None:
            self.policy.write_text(self.spoil, encoding="utf-8")
        super()._start_proxy()


class KeylessStack(BareStack):
    """Its configuration takes a provider's key from a variable that is not set, and another that is."""

    def _start_proxy(self) -> None:
        path = self.workdir / "litellm_config.yaml"
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        for entry, variable in zip(config["model_list"], ("ABSENT_PROVIDER_KEY", "PRESENT_PROVIDER_KEY"), strict=False):
            entry["litellm_params"]["api_key"] = f"os.environ/{variable}"
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        super()._start_proxy()


def test_a_start_without_keys_says_which_are_missing(tmp_path: Path) -> None:
    """However the proxy is started: `litellm --config` is what does it here."""
    present = {"PRESENT_PROVIDER_KEY": "hunter2-hunter2"}
    with KeylessStack(
        quick_config(tmp_path), shipped_policy(tmp_path), tmp_path / "work", latency_scale=0.0, extra_env=present
    ) as stack:
        log = (stack.workdir / "proxy.log").read_text(encoding="utf-8")
    told = [line for line in log.splitlines() if "not set" in line and "tier-router" in line]
    assert len(told) == 1, log
    assert ": ABSENT_PROVIDER_KEY." in told[0]
    assert "scripts/demo" in told[0]
    assert "hunter2" not in log


@pytest.fixture
def own(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Proxy]:
    """A proxy of its own for a test that breaks it; `policy` and `env` come by marker-free indirect parameter."""
    options = getattr(request, "param", {})
    policy = shipped_policy(tmp_path, **options.get("policy", {}))
    stack = OwnStack(
        quick_config(tmp_path), policy, tmp_path / "work", latency_scale=0.0, extra_env=options.get("env", {})
    )
    stack.spoil = options.get("spoil")
    with stack:
        yield Proxy(stack)


def test_policy_edits_apply_and_bad_ones_are_refused(own: Proxy) -> None:
    wait_until(lambda: own.health()["encoder"]["state"] == "ready", 60)
    policy = own.stack.policy
    good = yaml.safe_load(policy.read_text(encoding="utf-8"))
    version = own.health()["policy"]["version"]

    policy.write_text(yaml.safe_dump({**good, "mode": "shadow"}), encoding="utf-8")
    wait_until(lambda: own.health()["policy"]["mode"] == "shadow", 30)
    shadow = own.chat(EASY)
    assert shadow.headers["x-router-tier"] == good["default_tier"]
    assert "mode_shadow" in shadow.headers["x-router-cause"]
    record = own.records_of(shadow.headers["x-router-request-id"])[0]
    assert record["decided_tier"] in ("simple", "medium")
    assert record["policy_version"] == shadow.headers["x-router-policy"] != version

    policy.write_text("tiers: {simple: {model: 7}}\nmode: sometimes\n", encoding="utf-8")
    wait_until(lambda: own.health()["policy"]["failures"] == 1, 30)
    health = own.health()
    assert health["status"] == "degraded"
    assert any("routing_policy.yaml:2: mode" in finding for finding in health["policy"]["findings"])
    assert own.chat(EASY).headers["x-router-policy"] == record["policy_version"]
    assert "tier_router_policy_reload_failures_total 1.0" in own.http.get("/router/metrics").text
    wait_until(lambda: "tier_router_policy_refused 1.0" in own.http.get("/router/metrics").text)

    elsewhere = {**good["tiers"], "simple": {**good["tiers"]["simple"], "model": "tier-typo"}}
    policy.write_text(yaml.safe_dump({**good, "tiers": elsewhere}), encoding="utf-8")
    wait_until(lambda: any("tier-typo" in finding for finding in own.health()["policy"]["findings"]), 30)
    assert own.chat(EASY).status_code == 200

    policy.write_text(yaml.safe_dump({**good, "mode": "off"}), encoding="utf-8")
    wait_until(lambda: own.health()["policy"]["findings"] == [], 30)
    off = own.chat(EASY)
    assert (off.headers["x-router-tier"], off.headers["x-router-cause"]) == (good["default_tier"], "mode_off")

    new_domain = {"medical": {"tier": "frontier", "rules": {"terms": ["insulin"]}}}
    policy.write_text(yaml.safe_dump({**good, "domains": {**good["domains"], **new_domain}}), encoding="utf-8")
    wait_until(lambda: own.chat("How is insulin stored?").headers["x-router-domain"] == "medical", 30)


@pytest.mark.parametrize("own", [{"spoil": "mode: sometimes\n"}], indirect=True)
def test_a_policy_broken_at_start_serves_the_frontier_until_it_is_mended(own: Proxy) -> None:
    response = own.chat(EASY)
    assert (response.status_code, response.headers["x-router-tier"]) == (200, "frontier")
    assert own.health()["status"] == "degraded"
    assert own.health()["policy"]["findings"]
    shutil.copy(ROOT / "routing_policy.yaml", own.stack.policy)
    wait_until(lambda: own.health()["status"] == "ok", 60)
    assert own.chat(EASY).headers["x-router-tier"] != "frontier"


@pytest.mark.parametrize("own", [{"env": {"TIER_ROUTER_CACHE": "/proc/nowhere"}}], indirect=True)
def test_without_an_encoder_requests_go_up_with_a_cause(own: Proxy) -> None:
    wait_until(lambda: own.health()["encoder"]["error"] is not None, 60)
    response = own.chat(EASY)
    assert (response.status_code, response.headers["x-router-tier"]) == (200, "frontier")
    assert response.headers["x-router-cause"] == "encoder_unavailable"
    assert own.health()["status"] == "degraded"


@pytest.mark.parametrize("own", [{"policy": {"records": {"directory": "/proc/nowhere"}}}], indirect=True)
def test_a_disk_that_takes_no_records_costs_no_request(own: Proxy) -> None:
    assert [own.chat(EASY).status_code for _ in range(3)] == [200, 200, 200]
    wait_until(lambda: 'tier_router_records_dropped_total{reason="disk"} 3.0' in own.http.get("/router/metrics").text)


def test_stopping_the_proxy_loses_no_record(tmp_path: Path) -> None:
    stack = Stack(ROOT / "litellm_config.yaml", shipped_policy(tmp_path), tmp_path / "work", latency_scale=0.0)
    with stack:
        proxy = Proxy(stack)
        ids = [proxy.chat(f"{EASY} {i}").headers["x-router-request-id"] for i in range(5)]
        segments = stack.records
    written = Proxy.records(proxy)
    assert segments.is_dir()
    assert sorted(r["request_id"] for r in written) == sorted(ids)


BODIES = {
    "empty": b"",
    "not json": b"\x00\xff\xfe binary \x80",
    "array": b"[1, 2]",
    "no messages": b'{"model": "auto"}',
    "messages is text": b'{"model": "auto", "messages": "hello"}',
    "message is number": b'{"model": "auto", "messages": [7]}',
    "content is number": b'{"model": "auto", "messages": [{"role": "user", "content": 7}]}',
    "content is null": b'{"model": "auto", "messages": [{"role": "user", "content": null}]}',
    "no user turn": b'{"model": "auto", "messages": [{"role": "assistant", "content": "x"}]}',
    "role is list": b'{"model": "auto", "messages": [{"role": ["user"], "content": "x"}]}',
    "stream is text": b'{"model": "auto", "stream": "yes", "messages": [{"role": "user", "content": "x"}]}',
    "n is text": b'{"model": "auto", "n": "many", "messages": [{"role": "user", "content": "x"}]}',
    "tools is number": b'{"model": "auto", "tools": 5, "messages": [{"role": "user", "content": "x"}]}',
    "metadata is list": b'{"model": "auto", "metadata": [1], "messages": [{"role": "user", "content": "x"}]}',
    "lone surrogate": b'{"model": "auto", "messages": [{"role": "user", "content": "a \\ud83d b"}]}',
    "nul": b'{"model": "auto", "messages": [{"role": "user", "content": "a \\u0000 b"}]}',
    "model is list": b'{"model": ["auto"], "messages": [{"role": "user", "content": "x"}]}',
}


@pytest.mark.parametrize("name", BODIES)
def test_malformed_bodies_fare_as_they_do_without_the_plugin(fresh: Proxy, bare: Proxy, name: str) -> None:
    """Whatever LiteLLM says to a bad body, it says through us; we add no error of our own."""
    bare.reset()
    headers = {"Content-Type": "application/json"}
    statuses = [
        side.http.post("/v1/chat/completions", content=BODIES[name], headers=headers).status_code
        for side in (fresh, bare)
    ]
    assert statuses[0] == statuses[1]


def test_a_hundred_thousand_tokens(fresh: Proxy) -> None:
    response = fresh.chat("word " * 100_000)
    assert response.status_code == 200
    assert response.headers["x-router-tier"] != "simple"
    raised = "signal_long_context" in response.headers["x-router-cause"]
    assert raised or response.headers["x-router-tier"] == "frontier"


def test_health_stays_reachable_while_requests_run(fresh: Proxy) -> None:
    errors: list[str] = []

    def ask() -> None:
        with httpx.Client(base_url=fresh.stack.url, headers=fresh.http.headers, timeout=60) as http:
            for i in range(5):
                body = {"model": "auto", "messages": [{"role": "user", "content": f"{EASY} {i}"}]}
                if http.post("/v1/chat/completions", json=body).status_code != 200:
                    errors.append("failed")

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    assert fresh.health()["policy"]["version"]
    for thread in threads:
        thread.join()
    assert errors == []
