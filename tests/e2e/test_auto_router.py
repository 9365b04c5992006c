"""The Auto Router's configuration of docs/auto-router.md, exactly as printed there, behind LiteLLM's own router."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from custom_router.demo.simulated import write_yaml
from custom_router.demo.stack import Stack
from custom_router.simulator import Simulator
from tests.e2e.conftest import PATIENT_MS, ROOT, Proxy, shipped_policy, wait_until

PAGE = ROOT / "docs" / "auto-router.md"


def configuration() -> str:
    blocks = re.findall(r"^```yaml auto-router\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 1
    return str(blocks[0])


class AutoRouterStack(Stack):
    """Simulates the page's providers. The Auto Router's own entry calls none and stays as printed."""

    def _start_simulator(self) -> None:
        given = yaml.safe_load(configuration())
        routers = [e for e in given["model_list"] if e["litellm_params"]["model"].startswith("auto_router/")]
        assert routers
        given["model_list"] = [e for e in given["model_list"] if e not in routers]
        self.config = write_yaml(self.workdir / "providers.yaml", given)
        super()._start_simulator()
        path = self.workdir / "litellm_config.yaml"
        simulated = yaml.safe_load(path.read_text(encoding="utf-8"))
        write_yaml(path, {**simulated, "model_list": [*routers, *simulated["model_list"]]})


@pytest.fixture(scope="module")
def auto_router(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    work: Path = tmp_path_factory.mktemp("auto_router")
    with AutoRouterStack(PAGE, shipped_policy(work), work, latency_scale=0.0) as stack:
        yield Proxy(stack)


FIRST_CHOICE = {"simple": "deepseek", "medium": "gemini", "frontier": "anthropic"}


@pytest.mark.parametrize(
    ("prompt", "tiers"),
    [
        ("Translate 'good night' into Spanish.", {"simple", "medium"}),
        ("Should I refinance my mortgage before the rate rises?", {"frontier"}),
    ],
)
def test_prompts_reach_the_tier_that_the_policy_says(auto_router: Proxy, prompt: str, tiers: set[str]) -> None:
    auto_router.reset()
    response = auto_router.chat(prompt)
    assert response.status_code == 200, response.text
    tier = response.headers["x-litellm-complexity-router-tier"]
    assert tier in tiers
    assert response.headers["x-litellm-complexity-router-cause"] == "classifier_plugin"
    assert [name for name, requests in auto_router.seen().items() if requests] == [FIRST_CHOICE[tier]]


def test_a_request_without_a_user_turn_goes_to_the_fallback_tier(auto_router: Proxy) -> None:
    auto_router.reset()
    assert auto_router.chat(messages=[{"role": "assistant", "content": "Hello."}]).status_code == 200
    assert [name for name, requests in auto_router.seen().items() if requests] == ["anthropic"]


@pytest.fixture(scope="module")
def with_classifiers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Proxy, Simulator]]:
    """The same configuration with a policy that asks a local model and sets a floor for an intent."""
    work = tmp_path_factory.mktemp("auto_router_classifiers")
    with Simulator() as model:
        classifier = {"kind": "hybrid", "vllm": {"url": f"{model.url}/vllm"}, "hybrid": {"band": 1.0}}
        policy = shipped_policy(
            work,
            classifier=classifier,
            intents={"translation": {"tier": "frontier"}},
            latency_budget_ms={**PATIENT_MS, "vllm": 60_000},
        )
        with AutoRouterStack(PAGE, policy, work, latency_scale=0.0) as stack:
            proxy = Proxy(stack)
            wait_until(lambda: proxy.health()["vllm"]["state"] == "ready", 60)
            yield proxy, model


def test_the_local_model_and_the_intents_have_their_say(with_classifiers: tuple[Proxy, Simulator]) -> None:
    proxy, model = with_classifiers
    httpx.post(f"{model.url}/_sim/log/reset", trust_env=False).raise_for_status()
    response = proxy.chat("Translate 'good night' into Spanish.")
    assert response.headers["x-litellm-complexity-router-tier"] == "frontier", "the floor of the intent"
    seen = httpx.get(f"{model.url}/_sim/log", trust_env=False).json()["providers"]["vllm"]["requests"]
    assert any(request["path"].endswith("/chat/completions") for request in seen), "the model was asked"


def test_there_are_no_headers_and_no_records_of_ours(auto_router: Proxy) -> None:
    response = auto_router.chat("Name a colour.")
    assert not [name for name in response.headers if name.startswith("x-router-")]
    assert auto_router.records() == []
