"""A proxy with traffic worth looking at: every tier, hits, replaced answers, a failure, feedback, hostile prompts."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.cache_stack import CacheProxy, cache_replay
from tests.e2e.conftest import ROOT, shipped_policy, wait_until
from tests.e2e.gate_stack import GateStack, gate_config, write_artifact
from tests.virtual_keys.database import missing, postgres, prepare

# Each would call alert() if any of it were ever taken for markup or a script.
HOSTILE = (
    "<script>alert('prompt')</script> What is this?",
    '"><img src=x onerror=alert(1)><svg onload=alert(2)> Summarise it.',
    '<iframe srcdoc="<script>parent.alert(3)</script>"></iframe> {{7*7}} ${alert(4)} javascript:alert(5) Explain.',
)
ORDINARY = (
    "A sure one?", "A middling one?", "An unsure one?", "An empty one?", "How do I boil an egg?",
    "How do I boil an egg?", "How do you boil an egg?", "What is the capital of France?",
    "Can my landlord keep the deposit?",
    "Which stocks should I buy with my pension?", "Prove that there are infinitely many prime numbers.",
    "Write a haiku about rain.", "Explain the trade-offs of microservices for a team of five.",
)  # fmt: skip


@dataclass
class Console:
    """The running stack. `has_keys` says whether virtual keys can be issued."""

    proxy: CacheProxy
    has_keys: bool

    @property
    def url(self) -> str:
        """Where the console is."""
        return f"{self.proxy.stack.url}/router/"

    @property
    def key(self) -> str:
        """The administrator's."""
        return self.proxy.stack.master_key

    def made(self, path: str, **body: Any) -> dict[str, Any]:
        """What LiteLLM answers to a management call."""
        given = self.proxy.http.post(path, json=body)
        assert given.status_code == 200, given.text
        return dict(given.json())

    def virtual_key(self, **fields: Any) -> str:
        """A new virtual key."""
        return str(self.made("/key/generate", models=["auto"], **fields)["key"])

    def ask_as(self, key: str, prompt: str) -> str:
        """Ask with a key; the request's id, once its record is on disk."""
        answered = self.proxy.send("chat", prompt, headers={"Authorization": f"Bearer {key}"})
        assert answered.status_code == 200, answered.text
        request_id = answered.headers["x-router-request-id"]
        wait_until(lambda: any(record["request_id"] == request_id for record in self.proxy.records()))
        return request_id


@contextmanager
def console_stack(work: Path) -> Iterator[Console]:
    """A running stack that has answered its traffic. Without Postgres or node it has no virtual keys."""
    write_artifact(work / "gate.json")
    policy = shipped_policy(
        work,
        gate={"artifact": "gate.json"},
        cache={"enabled": True},
        records={"directory": "var/records", "log_text": "full"},
    )
    with ExitStack() as held:
        extra = {}
        if has_keys := not missing():
            prepared = ROOT / "var" / "virtual-keys"
            extra = prepare(prepared)
            extra["DATABASE_URL"] = held.enter_context(postgres(prepared / "migrations.sql"))
        stack = GateStack(
            gate_config(work), policy, work, latency_scale=0.0, replay=cache_replay(work / "replay.jsonl"),
            extra_env=extra,
        )  # fmt: skip
        console = Console(CacheProxy(held.enter_context(stack)), has_keys)
        _send_traffic(console)
        yield console


def _send_traffic(console: Console) -> None:
    proxy = console.proxy
    wait_until(lambda: proxy.health()["encoder"]["state"] == "ready")
    answered = [proxy.send("chat", prompt) for prompt in (*ORDINARY, *HOSTILE)]
    answered += [proxy.send(kind, "Name a colour.") for kind in ("responses", "messages", "completion")]
    assert all(response.status_code == 200 for response in answered), [r.text for r in answered]
    for number, response in enumerate(answered):
        if response.headers["x-router-cache"] != "hit":
            given = {
                "request_id": response.headers["x-router-request-id"],
                "label": "bad" if number % 4 == 3 else "good",
            }
            proxy.http.post("/router/feedback", json=given).raise_for_status()
    # Feedback may drop what it is about: what is in the cache from here on is asked for afterwards.
    for prompt in (*HOSTILE, "What is the capital of France?"):
        proxy.send("chat", prompt)
    expected = len(answered) + len(HOSTILE) + 1
    wait_until(lambda: len(proxy.records()) >= expected)


def made_up_records(record: dict[str, Any], count: int, first: int) -> bytes:
    """Lines like `record` with ids and times of their own, as one segment would grow by them."""
    now = time.time()
    lines = []
    for number in range(first, first + count):
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{number % 1000:03d}+00:00"
        lines.append(json.dumps({**record, "request_id": f"{number:032x}", "time": stamp}).encode() + b"\n")
    return b"".join(lines)
