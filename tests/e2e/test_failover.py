"""Failing over: to the tier's other provider first, to a higher tier only when all of a tier is out, never past a cap.

One stack, whose requests all begin at the simple tier unless a header asks for more; a deployment may take two seconds.
"""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
import yaml

from custom_router.demo.stack import Stack
from tests.e2e.conftest import quick_config, shipped_policy, wait_until
from tests.e2e.gate_stack import GateProxy, text_of

KINDS = ("chat", "completion", "responses", "messages")
PROVIDERS = {"simple": ("deepseek", "hosted_vllm"), "medium": ("gemini", "openai"), "frontier": ("anthropic", "openai")}
CALLS = [(kind, stream) for kind in KINDS for stream in (False, True)]
TIMEOUT_S = 2


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GateProxy]:
    work = tmp_path_factory.mktemp("failover")
    config = yaml.safe_load(quick_config(work).read_text(encoding="utf-8"))
    for entry in config["model_list"]:
        entry["litellm_params"]["timeout"] = TIMEOUT_S
    (work / "given.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    policy = shipped_policy(
        work,
        classifier={"kind": "constant", "constant": 0.9},
        domains={"medical": {"tier": "medium", "rules": {"terms": ["insulin"]}}},
        cache={"enabled": False},
        gate={"enabled": False},
        conversations={"sticky": False},
    )
    with Stack(work / "given.yaml", policy, work, latency_scale=0.0) as running:
        yield GateProxy(running)


@pytest.fixture
def failover(stack: GateProxy) -> GateProxy:
    stack.reset()
    return stack


def ask(
    proxy: GateProxy, kind: str, stream: bool = False, tier: str = "simple", prompt: str = "A word?"
) -> httpx.Response:
    return proxy.ask(kind, prompt, stream=stream, headers={"x-router-tier": tier})


def failed(response: httpx.Response) -> bool:
    """Whether the client was told of an error, in the status or in a stream's events."""
    return response.status_code != 200 or '"error"' in response.text


@pytest.mark.parametrize("tier", PROVIDERS)
@pytest.mark.parametrize("fault", ["rate_limit", "refuse"])
def test_every_tiers_other_provider_steps_in(failover: GateProxy, tier: str, fault: str) -> None:
    first, other = PROVIDERS[tier]
    failover.fault(fault, first)
    for kind, stream in CALLS:
        response = ask(failover, kind, stream, tier)
        assert text_of(kind, response)
        assert response.headers["x-router-tier"] == tier
        record = failover.record(response)
        assert record["tier"] == tier
        assert "provider_fallback" in record["causes"]
        assert "tier_fallback" not in record["causes"]
        assert "provider_fallback" in response.headers["x-router-cause"]
    asked = failover.asked()
    assert asked[first] >= 1
    assert asked[other] == len(CALLS)
    assert set(asked) == {first, other}


@pytest.mark.parametrize(("kind", "stream"), CALLS)
def test_a_hanging_provider_is_left_without_leaving_the_tier(failover: GateProxy, kind: str, stream: bool) -> None:
    failover.fault("hang", "deepseek")
    record = failover.record(ask(failover, kind, stream))
    assert record["tier"] == "simple"
    assert "provider_fallback" in record["causes"]
    assert failover.asked() == {"deepseek": 1, "hosted_vllm": 1}


@pytest.mark.parametrize("fault", ["rate_limit", "refuse", "error_500"])
def test_a_tier_that_is_out_goes_one_up_and_says_so(failover: GateProxy, fault: str) -> None:
    failover.fault(fault, *PROVIDERS["simple"])
    for kind, stream in CALLS:
        response = ask(failover, kind, stream)
        assert text_of(kind, response)
        record = failover.record(response)
        assert (record["tier"], record["decided_tier"]) == ("medium", "simple")
        assert "tier_fallback" in record["causes"]
        if not stream:
            assert response.headers["x-router-tier"] == "medium"
            assert "tier_fallback" in response.headers["x-router-cause"]
    assert not {"anthropic", "openai"} & set(failover.asked())


@pytest.mark.parametrize("fault", ["rate_limit", "hang", "error_500", "malformed_json", "cut_stream", "refuse"])
def test_a_capped_caller_gets_an_error_and_never_a_dearer_tier(failover: GateProxy, fault: str) -> None:
    with failover.policy(callers={"max_tier": "simple"}):
        for kind, stream in CALLS:
            failover.reset()
            failover.fault(fault, *PROVIDERS["simple"])
            response = ask(failover, kind, stream, tier="frontier")
            # LiteLLM takes half an answer for a short one, and a stream's unreadable event for none.
            if fault != "cut_stream" and (fault, stream) != ("malformed_json", True):
                assert failed(response), (kind, stream, response.text)
            assert set(failover.asked()) <= set(PROVIDERS["simple"]), (kind, stream)
            failover.idle()


def test_a_cap_of_medium_allows_medium_and_no_more(failover: GateProxy) -> None:
    with failover.policy(callers={"max_tier": "medium"}):
        failover.fault("refuse", *PROVIDERS["simple"])
        assert failover.record(ask(failover, "chat"))["tier"] == "medium"
        failover.fault("refuse", *PROVIDERS["medium"])
        for kind, stream in CALLS:
            assert failed(ask(failover, kind, stream)), (kind, stream)
        assert "anthropic" not in failover.asked()


def test_a_domain_over_the_cap_does_not_lift_it_further(failover: GateProxy) -> None:
    with failover.policy(callers={"max_tier": "simple"}):
        record = failover.record(ask(failover, "chat", prompt="How is insulin stored?"))
        assert record["tier"] == "medium"
        assert "domain_over_cap" in record["causes"]
        failover.fault("refuse", *PROVIDERS["medium"])
        for kind, stream in CALLS:
            assert failed(ask(failover, kind, stream, prompt="How is insulin stored?")), (kind, stream)
        assert "anthropic" not in failover.asked()


def test_a_rate_limited_tier_tells_a_capped_caller_when_to_come_back(failover: GateProxy) -> None:
    with failover.policy(callers={"max_tier": "simple"}):
        failover.fault("rate_limit", *PROVIDERS["simple"])
        assert ask(failover, "chat").status_code == 429
        response = ask(failover, "chat")  # both deployments rest now
        assert response.status_code == 429
        assert response.json()["error"]["message"]
        assert int(response.headers["retry-after"]) > 0


def test_a_provider_that_is_well_again_gets_its_traffic_back(failover: GateProxy) -> None:
    failover.kill("deepseek")
    for _ in range(5):
        assert "provider_fallback" in failover.record(ask(failover, "chat"))["causes"]
    failover.kill("hosted_vllm")
    assert failover.record(ask(failover, "chat"))["tier"] == "medium"
    for provider in PROVIDERS["simple"]:
        failover.simulator.post("/_sim/revive", json={"provider": provider}).raise_for_status()

    def is_back() -> bool:
        record = failover.record(ask(failover, "chat"))
        return record["tier"] == "simple" and "provider_fallback" not in record["causes"]

    wait_until(is_back, 90)
