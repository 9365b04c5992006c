"""What other tools see of a decision: OpenTelemetry, Langfuse, LiteLLM's own log view, and the proxy's log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.docs.documents import blocks
from tests.e2e.conftest import wait_until
from tests.e2e.gate_stack import gate_config, gate_policy
from tests.e2e.keyed_stack import WRITTEN_S, KeyedProxy, keyed_proxy
from tests.e2e.receiver import Receiver, receiver

TRACES = "/v1/traces"
LANGFUSE = "/api/public/otel/v1/traces"
MARK = "zanzibar-quokka-4711"
LANGFUSE_SECRET = "sk-lf-not-to-be-logged-0123456789"


@dataclass
class Observed:
    """The running proxy, and where its tools report to."""

    proxy: KeyedProxy
    tools: Receiver
    key: str

    def log(self) -> str:
        """What the proxy has written so far."""
        return (self.proxy.stack.workdir / "proxy.log").read_text(encoding="utf-8", errors="replace")

    def span(self, response: httpx.Response) -> dict[str, Any]:
        """Attributes of the span that tells of a request, once it has come."""
        request_id = response.headers["x-router-request-id"]
        found: list[dict[str, Any]] = []

        def came() -> bool:
            spans = (told for _, told in self.tools.spans(TRACES) if told.get("tier_router.request_id") == request_id)
            found[:] = spans
            return bool(found)

        wait_until(came, 60)
        return found[-1]


def observed_config(work: Path) -> Path:
    """The gate's configuration with LiteLLM's callbacks for OpenTelemetry, as the page has it, and Langfuse, and JSON
    logs."""
    path = gate_config(work)
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    settings = config["litellm_settings"]
    (told,) = blocks("yaml otel")
    settings |= yaml.safe_load(told.text)["litellm_settings"]
    settings |= {"success_callback": ["langfuse"], "json_logs": True}
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    work = tmp_path_factory.mktemp("observed")
    with receiver() as tools:
        environment = {
            "OTEL_EXPORTER": "otlp_http",
            "OTEL_ENDPOINT": tools.url + TRACES,
            "LANGFUSE_HOST": tools.url,
            "LANGFUSE_PUBLIC_KEY": "pk-lf-test",
            "LANGFUSE_SECRET_KEY": LANGFUSE_SECRET,
        }
        with keyed_proxy(work, gate_policy(work), observed_config(work), **environment) as proxy:
            team = proxy.made("/team/new", team_alias="red", models=["auto"])["team_id"]
            made = proxy.made("/key/generate", key_alias="bot", team_id=team, models=["auto"])
            yield Observed(proxy, tools, made["key"])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("kind", ["chat", "responses", "messages"])
def test_the_decision_is_on_litellms_span(observed: Observed, kind: str, stream: bool) -> None:
    response = observed.proxy.ask_as(observed.key, kind, "A sure one?", stream=stream)
    record, told = observed.proxy.record(response), observed.span(response)
    assert told["tier_router.tier"] == "simple"
    assert told["tier_router.cause"] == record["causes"]
    assert told["tier_router.policy"] == record["policy_version"]
    assert told["tier_router.cache"] == "bypass"
    assert told["tier_router.escalated"] is False
    assert told["tier_router.cost.saved"] == pytest.approx(record["cost"]["saved"])
    if record["gate"]["confidence"] is not None:
        assert told["tier_router.confidence"] == pytest.approx(record["gate"]["confidence"])


def test_a_request_that_failed_has_a_span_too(observed: Observed) -> None:
    try:
        observed.proxy.kill("deepseek", "hosted_vllm", "gemini", "openai", "anthropic")
        response = observed.proxy.ask_as(observed.key, "chat", "A sure one?")
        assert response.status_code >= 500
        request_id = response.headers["x-router-request-id"]
    finally:
        observed.proxy.reset()
    wait_until(lambda: any(t.get("tier_router.request_id") == request_id for _, t in observed.tools.spans(TRACES)))


def test_langfuse_gets_the_record(observed: Observed) -> None:
    response = observed.proxy.ask_as(observed.key, "chat", "A sure one?")
    request_id = response.headers["x-router-request-id"]
    found: list[Any] = []

    def came() -> bool:
        for _, told in observed.tools.spans(LANGFUSE):
            if request_id in json.dumps(told):
                found.append(told)
        return bool(found)

    wait_until(came, 60)
    held = next(value for name, value in found[0].items() if "spend_logs_metadata" in name)
    router = json.loads(held)["router"]
    assert router["request_id"] == request_id
    assert router["cost"]["saved"] == pytest.approx(observed.proxy.record(response)["cost"]["saved"])


def test_litellms_log_view_shows_the_record(observed: Observed) -> None:
    response = observed.proxy.ask_as(observed.key, "chat", "A sure one?")
    request_id = response.headers["x-router-request-id"]
    found: list[dict[str, Any]] = []

    def shown() -> bool:
        page = {"start_date": "2020-01-01 00:00:00", "end_date": "2099-01-01 00:00:00", "page_size": 100}
        rows = observed.proxy.http.get("/spend/logs/ui", params=page).raise_for_status().json()["data"]
        for row in rows:
            metadata = row["metadata"] if isinstance(row["metadata"], dict) else json.loads(row["metadata"] or "{}")
            router = (metadata.get("spend_logs_metadata") or {}).get("router") or {}
            if router.get("request_id") == request_id:
                found.append(router)
        return bool(found)

    wait_until(shown, WRITTEN_S)
    assert found[0]["tier"] == "simple"
    assert found[0]["cost"]["total"] > 0


def test_log_lines_carry_the_request_and_no_prompt_and_no_key(observed: Observed) -> None:
    try:
        observed.proxy.kill("anthropic", "openai")
        told = observed.proxy.ask_as(
            observed.key, "chat", "An unsure one?", messages=[{"role": "system", "content": MARK}, _user()]
        )
        assert told.status_code == 200, told.text
    finally:
        observed.proxy.reset()
    request_id = told.headers["x-router-request-id"]
    wait_until(lambda: "escalation to frontier failed" in observed.log())
    lines = [json.loads(line) for line in observed.log().splitlines() if "escalation to frontier failed" in line]
    assert [line["router_request_id"] for line in lines] == [request_id]
    assert lines[0]["component"] == "custom_router.gating"
    for secret in (MARK, "An unsure one?", observed.key, observed.proxy.stack.master_key, LANGFUSE_SECRET):
        assert secret not in observed.log()


def _user() -> dict[str, str]:
    return {"role": "user", "content": "An unsure one?"}
