"""Edits tried with the real models: what was not read then is read now, and only then."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from custom_router.decision import NO_LIMITS
from custom_router.engine import RouterEngine
from custom_router.lifecycle import Arrival
from custom_router.policy import Caller
from custom_router.receipts import edits
from custom_router.receipts.edits import Edits
from custom_router.records.record import Tenant
from custom_router.records.sinks import MemorySink
from custom_router.request import RequestView
from custom_router.runtime import Runtime
from tests.api.app import Deployments

# On a busy machine a stage that runs out of time would send requests up.
PATIENT = {"rules": 5_000, "encoder": 20_000}
SHIPPED = yaml.safe_load((Path(__file__).parents[2] / "routing_policy.yaml").read_text(encoding="utf-8")) | {
    "latency_budget_ms": PATIENT
}
BY_MODEL = "The tenant of the flat below will not move out. What can the owner do about it?"
BY_RULE = "What is a mortgage?"
PLAIN = "Write a haiku about the sea."


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    path = tmp_path_factory.mktemp("edits") / "routing_policy.yaml"
    path.write_text(yaml.safe_dump(SHIPPED, allow_unicode=True), encoding="utf-8")
    made = Runtime(RouterEngine(path), MemorySink())
    made.engine.encoder.load_now()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _empty(runtime: Runtime) -> None:
    runtime.recent = type(runtime.recent)()


async def asked(runtime: Runtime, prompt: str) -> dict[str, Any]:
    view = RequestView.from_chat({"messages": [{"role": "user", "content": prompt}]})
    arrival = Arrival("auto", Tenant(), None, "", time.perf_counter())
    _, pending, _ = await runtime.begin(view, Caller(), arrival, NO_LIMITS)
    return pending.record.as_dict()


async def tried(runtime: Runtime, **changes: Any) -> dict[str, Any]:
    told = await Edits(runtime, Deployments()).check(yaml.safe_dump({**SHIPPED, **changes}, allow_unicode=True), None)
    assert told["ok"], told
    effect: dict[str, Any] = told["effect"]
    return effect


def domains(**changes: Any) -> dict[str, Any]:
    """The shipped domains with keys replaced, or left out where None is given."""
    merged = ({**domain, **changes} for domain in SHIPPED["domains"].values())
    kept = ({key: value for key, value in each.items() if value is not None} for each in merged)
    return dict(zip(SHIPPED["domains"], kept, strict=True))


async def test_a_request_settled_by_a_rule_is_read_once_the_rule_is_gone(runtime: Runtime) -> None:
    record = await asked(runtime, BY_RULE)
    assert (record["domain"]["rule"], record["scores"]["p_ok"]) == ("term:mortgage", {})
    without = await tried(runtime, domains={})
    assert without["domains"] == {"finance": {"before": 1, "after": 0}}
    assert without["moved"] == 1  # the classifier, asked now, would have sent it lower
    same = await tried(runtime)
    assert (same["requests"], same["moved"]) == (1, 0)
    # Without its rules the model still knows it.
    by_model = await tried(runtime, domains=domains(rules=None))
    assert by_model["domains"] == {"finance": {"before": 1, "after": 1}}


async def test_the_domain_models_threshold_is_replayed(runtime: Runtime) -> None:
    for prompt in (BY_MODEL, PLAIN):
        await asked(runtime, prompt)
    record = await asked(runtime, BY_MODEL)
    assert record["domain"]["rule"] == "model", record["domain"]
    stricter = await tried(runtime, domains=domains(threshold=0.999))
    assert stricter["domains"] == {"legal": {"before": 2, "after": 0}}
    wider = await tried(runtime, domains=domains(threshold=0.0))
    assert sum(counts["after"] for counts in wider["domains"].values()) == 3


async def test_only_so_many_are_read_again(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edits, "READ_AGAIN", 2)
    for _ in range(5):
        await asked(runtime, BY_RULE)
    effect = await tried(runtime, domains={})
    assert effect["requests"] == 5
    assert any(note.startswith("3 requests would have to be read again") for note in effect["notes"])
