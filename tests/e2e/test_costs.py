"""Money in the record is money in LiteLLM's spend log, for cached, reasoning and plain tokens of all four APIs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.conftest import wait_until
from tests.e2e.gate_stack import GateStack, events, gate_config, gate_policy
from tests.e2e.keyed_stack import WRITTEN_S, KeyedProxy, keyed_proxy

SIMPLE = {"input": 3e-7, "output": 1.2e-6, "cached": 3e-8}
FRONTIER = {"input": 4e-6, "output": 2e-5, "cached": 4e-7, "written": 5e-6}
THOUGHT = 64
UP = {"x-router-tier": "frontier"}
LONG = "The quick brown fox jumps over the lazy dog while seven wizards watch from the tower. " * 80
Answered = dict[tuple[str, bool], list[dict[str, Any]]]


class Thinking(GateStack):
    """Every model thinks before it answers, and the frontier speaks Anthropic's own API."""

    def _start_proxy(self) -> None:
        path = self.workdir / "litellm_config.yaml"
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        for entry in config["model_list"]:
            if entry["model_info"].get("base_model", "").startswith("anthropic/"):
                entry["litellm_params"]["model"] = entry["model_info"].pop("base_model")
                entry["litellm_params"]["api_base"] = f"{self.simulator_url}/anthropic"
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        super()._start_proxy()

    def _spawn(self, name: str, command: list[str], environment: Mapping[str, str], *, pipe: bool = False) -> Any:
        if name == "simulator":
            path = self.workdir / "simulator.yaml"
            settings = yaml.safe_load(path.read_text(encoding="utf-8"))
            for spec in settings["models"].values():
                spec["reasoning_tokens"] = THOUGHT
            path.write_text(yaml.safe_dump(settings), encoding="utf-8")
        return super()._spawn(name, command, environment, pipe=pipe)


def cost_config(work: Path) -> Path:
    """The gate's configuration, with prices of cached tokens."""
    path = gate_config(work)
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    for entry in config["model_list"]:
        params = entry["litellm_params"]
        if entry["model_name"] == "tier-simple":
            params["cache_read_input_token_cost"] = SIMPLE["cached"]
        elif entry["model_name"] == "tier-frontier":
            params["cache_read_input_token_cost"] = FRONTIER["cached"]
            params["cache_creation_input_token_cost"] = FRONTIER["written"]
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def costs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyedProxy]:
    work = tmp_path_factory.mktemp("costs")
    with keyed_proxy(work, gate_policy(work, enabled=False), cost_config(work), Thinking) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def answered(costs: KeyedProxy) -> Answered:
    """Records of the same long prompt sent twice, by API and whether streamed. Text completions last: after the first
    one LiteLLM by itself bills other requests at nothing."""
    found = {}
    for kind in ("chat", "responses", "messages", "completion"):
        for stream in (False, True):
            prompt = f"{kind} {stream} {LONG}"
            found[kind, stream] = [costs.record(costs.ask(kind, prompt, stream=stream)) for _ in range(2)]
        if kind in ("chat", "messages"):
            for stream in (False, True):
                body = _marked(kind, f"{kind} {stream} {LONG}")
                responses = [costs.ask(kind, "And now?", stream=stream, headers=UP, **body) for _ in range(2)]
                found[f"anthropic {kind}", stream] = list(map(costs.record, responses))
    return found


def _marked(kind: str, text: str) -> dict[str, Any]:
    """The part of a request that asks Anthropic to cache its system prompt."""
    system = [{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}]
    asked = {"role": "user", "content": "And now?"}
    if kind == "messages":
        return {"system": system, "messages": [asked]}
    return {"messages": [{"role": "system", "content": system}, asked]}


@pytest.fixture(scope="module")
def spent(costs: KeyedProxy, answered: Answered) -> dict[str, float]:
    """Dollars in LiteLLM's spend log by our request id, once all rows are there."""
    wanted = {record["request_id"] for records in answered.values() for record in records}
    wait_until(lambda: wanted <= set(costs.spent()), WRITTEN_S)
    return costs.spent()


def _priced(tokens: dict[str, int], price: dict[str, float]) -> float:
    plain = tokens["input"] - tokens["cached_input"] - tokens["cache_written"]
    cached = tokens["cached_input"] * price["cached"] + tokens["cache_written"] * price.get("written", price["input"])
    return plain * price["input"] + cached + tokens["output"] * price["output"]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("kind", ["chat", "responses", "messages", "completion"])
def test_the_record_and_the_spend_log_agree_on_cached_tokens(
    answered: Answered, spent: dict[str, float], kind: str, stream: bool
) -> None:
    fresh, again = answered[kind, stream]
    assert fresh["tokens"]["cached_input"] == 0
    assert again["tokens"]["cached_input"] >= 1_024
    assert again["cost"]["total"] < fresh["cost"]["total"]
    for record in (fresh, again):
        tokens, cost = record["tokens"], record["cost"]
        assert tokens["reasoning"] == THOUGHT
        assert cost["total"] == pytest.approx(_priced(tokens, SIMPLE))
        assert cost["total"] == pytest.approx(spent[record["request_id"]], abs=1e-9)
        assert cost["alternatives"]["simple"] == pytest.approx(cost["total"])
        assert cost["frontier_baseline"] == cost["alternatives"]["frontier"] == pytest.approx(_priced(tokens, FRONTIER))
        assert cost["saved"] == pytest.approx(cost["frontier_baseline"] - cost["total"])
        assert 0 < cost["alternatives"]["medium"] < cost["frontier_baseline"]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("kind", ["chat", "messages"])
def test_what_anthropic_writes_to_its_cache_is_paid_for_and_what_it_reads(
    answered: Answered, spent: dict[str, float], kind: str, stream: bool
) -> None:
    wrote, read = answered[f"anthropic {kind}", stream]
    assert wrote["tokens"]["cache_written"] >= 1_024
    assert wrote["tokens"]["cached_input"] == 0
    assert read["tokens"]["cached_input"] >= 1_024
    for record in (wrote, read):
        tokens, cost = record["tokens"], record["cost"]
        assert record["tier"] == "frontier"
        assert cost["total"] == pytest.approx(_priced(tokens, FRONTIER))
        assert cost["total"] == pytest.approx(spent[record["request_id"]], abs=1e-9)
        assert cost["saved"] == pytest.approx(0.0, abs=1e-12), "the same model, priced as it was"
        assert cost["alternatives"]["simple"] == pytest.approx(_priced({**tokens, "cache_written": 0}, SIMPLE))


@pytest.mark.parametrize("kind", ["chat", "completion"])
def test_a_stream_tells_its_usage_only_to_a_client_that_asks(costs: KeyedProxy, kind: str) -> None:
    """The router asks for it whoever the client is: LiteLLM asks only where the frontier's API can be asked."""
    plain = costs.ask(kind, "Hello.", stream=True)
    asked = costs.ask(kind, "Hello.", stream=True, stream_options={"include_usage": True})
    assert [event for event in events(plain.text) if event.get("usage")] == []
    (told,) = [event["usage"] for event in events(asked.text) if event.get("usage")]
    for response in (plain, asked):
        assert costs.record(response)["tokens"]["output"] == told["completion_tokens"]


def test_where_litellm_forgets_a_price_the_record_keeps_it(costs: KeyedProxy, answered: Answered) -> None:
    """After the text completions above LiteLLM bills this one at nothing."""
    assert answered
    record = costs.record(costs.ask("messages", f"once more {LONG}"))
    assert record["cost"]["total"] == pytest.approx(_priced(record["tokens"], SIMPLE))
