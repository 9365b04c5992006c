"""A proxy whose cache is certain to act: the gate's recorded answers, and questions that mean the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.conftest import wait_until
from tests.e2e.gate_stack import FRONTIER, MEDIUM, SIMPLE, SURE, GateProxy, gate_policy, write_replay

CALLS = ("chat", "completion", "responses", "messages")
ASKED = "How do I boil an egg?"
FRANCE = "What is the capital of France?"
SAID = " ".join(f"Minute {n}: the water at {60 + n} degrees has moved {n * n} drops over the rim." for n in range(40))


def cache_replay(path: Path) -> Path:
    """The gate's recorded answers, a long sure one to `ASKED`, and a short sure one to `FRANCE`."""
    write_replay(path)
    with path.open("a", encoding="utf-8") as out:
        for model in (*SIMPLE, *MEDIUM, *FRONTIER):
            for prompt, answer in ((ASKED, SAID), (FRANCE, "Paris is the capital of France.")):
                row = {"prompt": prompt, "model": model, "answer": answer, "logprobs": SURE, "finish_reason": None}
                out.write(json.dumps(row) + "\n")
    return path


def cache_policy(tmp: Path, **changes: Any) -> Path:
    """The gate's policy with the cache on."""
    path = gate_policy(tmp)
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    document["cache"] = {"enabled": True, **changes}
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


class CacheProxy(GateProxy):
    """What the cache's tests ask of a stack."""

    def send(self, kind: str, prompt: str = ASKED, **options: Any) -> httpx.Response:
        """One request of an API that its answer may be kept of; `store: false` where the API would remember it."""
        if kind == "responses":
            options.setdefault("store", False)
        if kind == "messages":
            options.setdefault("max_tokens", 4_000)
        return self.ask(kind, prompt, **options)

    def stored(self, **conditions: Any) -> int:
        """Entries there are."""
        return len(self.show(**conditions)["shown"])

    def kept_or_not(self) -> float:
        """Answers so far of which it is settled whether they are stored."""
        families = text_string_to_metric_families(self.http.get("/router/metrics").text)
        samples = [sample for family in families for sample in family.samples]
        return sum(sample.value for sample in samples if sample.name == "tier_router_cache_stored_total")

    def show(self, **conditions: Any) -> dict[str, Any]:
        given = {"limit": 10_000, **conditions}
        return self.http.get("/router/api/cache", params=given).raise_for_status().json()

    def drop(self, **conditions: Any) -> int:
        dropped = self.http.post("/router/cache/invalidate", json=conditions or {"all": True})
        return int(dropped.raise_for_status().json()["dropped"])

    def keep(self, kind: str, prompt: str = ASKED, **options: Any) -> httpx.Response:
        """A request that misses, and whose answer has been stored when this returns."""
        before = self.stored()
        response = self.send(kind, prompt, **options)
        assert (response.status_code, response.headers["x-router-cache"]) == (200, "miss"), response.text
        wait_until(lambda: self.stored() > before)
        return response


def drop_under_way(asked: CacheProxy, dropping: CacheProxy, **options: Any) -> httpx.Response:
    """A request whose answer takes a second, and while it does, its like is dropped; when all that is over."""
    asked.fault("slow_first_token", "deepseek")
    before = asked.kept_or_not()
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(asked.send, "chat", FRANCE, **options)
        wait_until(lambda: bool(asked.asked()))
        dropping.drop(tier="simple")
        response = sending.result()
    wait_until(lambda: asked.kept_or_not() > before)
    return response


def cache_of(response: httpx.Response) -> str:
    """What the cache did, by the response's header."""
    assert response.status_code == 200, response.text
    return response.headers["x-router-cache"]


def text_of(kind: str, response: httpx.Response) -> str:
    """The answer's text, whole or streamed, in the form of its API."""
    if response.headers["content-type"].startswith("text/event-stream"):
        events = [line[5:].strip() for line in response.text.splitlines() if line.startswith("data:")]
        return "".join(_piece(kind, json.loads(event)) for event in events if event != "[DONE]")
    body = response.json()
    if kind == "chat":
        return body["choices"][0]["message"]["content"]
    if kind == "completion":
        return body["choices"][0]["text"]
    if kind == "responses":
        return "".join(part["text"] for item in body["output"] for part in item.get("content") or ())
    return "".join(block["text"] for block in body["content"])


def _piece(kind: str, event: Mapping[str, Any]) -> str:
    if kind == "responses":
        return event["delta"] if event["type"] == "response.output_text.delta" else ""
    if kind == "messages":
        return event["delta"].get("text", "") if event["type"] == "content_block_delta" else ""
    choices = event.get("choices") or [{}]
    return (choices[0].get("text") if kind == "completion" else choices[0].get("delta", {}).get("content")) or ""


def usage_of(kind: str, response: httpx.Response) -> tuple[int, int]:
    """Input and output tokens that a whole response tells."""
    usage = response.json()["usage"]
    names = (
        ("prompt_tokens", "completion_tokens") if kind in ("chat", "completion") else ("input_tokens", "output_tokens")
    )
    return usage[names[0]], usage[names[1]]
