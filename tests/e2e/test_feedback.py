"""From a caller's opinion to a calibration and rows to train on, through the real proxy and the real commands."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from custom_router.confidence.calibrate import GateArtifact
from custom_router.learn.own_rows import read_own
from custom_router.tiers import Tier
from tests.cli.cli_calls import run
from tests.e2e.conftest import wait_until
from tests.e2e.gate_stack import SIMPLE, GateProxy, GateStack, gate_config, gate_policy, write_replay

GOOD, BAD = "A sure one?", "A middling one?"
REQUESTS = 60


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GateProxy]:
    work = tmp_path_factory.mktemp("feedback")
    policy = gate_policy(work)
    document: dict[str, Any] = yaml.safe_load(policy.read_text(encoding="utf-8"))
    document["records"] = {**document["records"], "log_text": "full"}
    policy.write_text(yaml.safe_dump(document), encoding="utf-8")
    replay = write_replay(work / "replay.jsonl")
    with GateStack(gate_config(work), policy, work, latency_scale=0.0, replay=replay) as stack:
        yield GateProxy(stack)


def lines(records: Path) -> list[dict[str, Any]]:
    """Every line of feedback on disk."""
    whole = (path.read_bytes().rpartition(b"\n")[0] for path in (records / "feedback").glob("*.jsonl"))
    return [json.loads(line) for content in whole for line in content.splitlines()]


def test_what_callers_say_is_learned_from(proxy: GateProxy, tmp_path: Path) -> None:
    ids = []
    for number in range(REQUESTS):
        good = number % 2 == 0
        answered = proxy.ask("chat", GOOD if good else BAD)
        assert answered.headers["x-router-tier"] == "simple", answered.text
        ids.append(answered.headers["x-router-request-id"])
    records = proxy.stack.records
    wait_until(lambda: set(ids) <= {record["request_id"] for record in proxy.records()})
    for number, request_id in enumerate(ids):
        # First the contrary: it is the last word that counts.
        for label in ("bad", "good") if number % 2 == 0 else ("good", "bad"):
            body = {"request_id": request_id, "label": label, "tags": ["tone", "length"]}
            told = proxy.http.post("/router/feedback", json=body)
            assert told.status_code == 200, told.text
    wait_until(lambda: len(lines(records)) == 2 * REQUESTS)
    assert {tuple(line["tags"]) for line in lines(records)} == {("tone", "length")}

    left_out: Counter[str] = Counter()
    read = list(read_own([records], left_out))
    assert Counter(line.ok[Tier.SIMPLE] for line in read) == {1.0: REQUESTS // 2, 0.0: REQUESTS // 2}
    assert all((line.view.text == GOOD) == (line.ok[Tier.SIMPLE] == 1.0) for line in read)

    artifact = tmp_path / "gate.json"
    fitted = run("fit-gate", "--data", records, "--out", artifact)
    assert fitted.exit_code == 0, fitted.output
    (own,) = [entry for entry in GateArtifact.load(artifact).entries if entry.model is not None]
    assert own.model is not None
    assert own.model.endswith(SIMPLE[0])
    assert own.evidence is not None
    assert (own.evidence.rows, own.evidence.good) == (REQUESTS, REQUESTS / 2)

    metrics = proxy.http.get("/router/metrics").text
    assert f'tier_router_feedback_total{{cache="bypass",opinion="bad"}} {REQUESTS / 2}' in metrics
