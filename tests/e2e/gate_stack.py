"""A proxy whose gate is certain to act: recorded answers with known log probabilities, a known calibration."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from custom_router.confidence.calibrate import Calibrator, Entry, GateArtifact
from custom_router.confidence.self_check import SELF_CHECK_QUESTION
from custom_router.demo.stack import Stack
from tests.e2e.conftest import Proxy, quick_config, shipped_policy, wait_until

SIMPLE = ("deepseek-v4-flash", "meta-llama/Llama-3.1-8B-Instruct", "shy", "open", "slow")
PLAIN = ("plain",)
"""Gives no log probabilities, but has JSON schemas."""
CHECKED, DOUBTED = ("checked",), ("doubted",)
"""Say yes and no when asked whether their answers are right."""
MEDIUM = ("gemini-3.8-flash", "gpt-5.4-mini")
FRONTIER = ("claude-opus-5-5", "gpt-5.6-sol")
SURE, MIDDLING, UNSURE = -0.001, -0.12, -2.5
"""Log probability a token; with `write_artifact`: above 0.85, 0.70 to 0.85, and about 0."""
LETTERS = "The answer is on the second page of the report."
TOP = "Paris, says the frontier."
CALLED = "A call that nobody offered?"

# prompt → (tier's models, answer, log probability a token, finish reason)
_Row = tuple[tuple[str, ...], str, float, str | None]
ANSWERS: dict[str, list[_Row]] = {
    "A sure one?": [(SIMPLE, "Paris is the capital of France.", SURE, None)],
    "A middling one?": [(SIMPLE, "Paris is the capital of France.", MIDDLING, None)],
    "An unsure one?": [(SIMPLE, "Lyon, I suppose, or Lille.", UNSURE, None)],
    "An empty one?": [(SIMPLE, "", SURE, None)],
    "A refused one?": [(SIMPLE, "I'm sorry, but I can't help with that request.", SURE, None)],
    "A cut one?": [(SIMPLE, "Paris is the capital of", SURE, "length")],
    "A broken object?": [(SIMPLE, '{"city": "Par', SURE, None), (FRONTIER, '{"city": "Paris"}', SURE, None)],
    "Another object?": [(SIMPLE, '{"town": 7}', SURE, None), (FRONTIER, '{"city": "Paris"}', SURE, None)],
    "A wrapped sure one?": [(PLAIN, '{"answer": "Paris, of course.", "confidence": 0.99}', SURE, None)],
    "A wrapped unsure one?": [(PLAIN, '{"answer": "Lyon, perhaps.", "confidence": 0.2}', SURE, None)],
    "A wrapped one that goes on?": [(PLAIN, '{"answer": "A B", "confidence": 0.99} Sorry, and more.', SURE, None)],
    "A good object?": [(SIMPLE, '{"city": "Paris"}', SURE, None)],
    "A long object?": [(SIMPLE, json.dumps({"city": "Paris", "about": LETTERS * 8}), SURE, None)],
    "A long sure one?": [(SIMPLE, LETTERS * 8, SURE, None)],
    "A long unsure one?": [(SIMPLE, "Perhaps it is Lyon, who knows. " * 6, UNSURE, None)],
    "A second opinion agrees?": [(SIMPLE, "Paris it is.", -0.5, None), (MEDIUM, "Paris it is.", MIDDLING, None)],
    "A second opinion is empty?": [(SIMPLE, "Lyon it is.", -0.5, None), (MEDIUM, "", SURE, None)],
    "A second opinion doubts?": [(SIMPLE, "Lyon it is.", -0.5, None), (MEDIUM, "Nice it is.", -1.0, None)],
}


def write_replay(path: Path) -> Path:
    """A replay file of `ANSWERS`; where a prompt gives the frontier no answer of its own it says `TOP`."""
    rows = []
    for prompt, given in ANSWERS.items():
        for models, answer, logprob, finish in given:
            rows += [_row(prompt, model, answer, logprob, finish) for model in models]
        for model in FRONTIER:
            if not any(models == FRONTIER for models, *_ in given):
                rows.append(_row(prompt, model, TOP, SURE, None))
    rows += [{**_row(CALLED, model, '{"city": "Paris"}', SURE, None), "tool": "destroy"} for model in SIMPLE]
    rows += [_row(CALLED, model, TOP, SURE, None) for model in FRONTIER]
    for (model,), said in ((CHECKED, "yes"), (DOUBTED, "no")):
        rows.append(_row(SELF_CHECK_QUESTION, model, said, SURE, None))
        rows += [_row(prompt, model, given[0][1], given[0][2], None) for prompt, given in ANSWERS.items()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def _row(prompt: str, model: str, answer: str, logprob: float, finish: str | None) -> dict[str, Any]:
    return {"prompt": prompt, "model": model, "answer": answer, "logprobs": logprob, "finish_reason": finish}


def write_artifact(path: Path) -> None:
    """Log odds of a good answer are 2 + 3 · score, whatever the model and the signals."""
    calibrator = Calibrator(intercept=2.0, low=3.0, high=3.0)
    fallbacks = tuple(Entry(signals=signals, calibrator=calibrator) for signals in ("*", "*+opinion", "opinion"))
    GateArtifact(version="test", fallbacks=fallbacks).save(path)


def gate_config(tmp: Path) -> Path:
    """The shipped configuration; every model gives log probabilities but `shy`, which says so only when asked."""
    path = quick_config(tmp)
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    template = config["model_list"][0]["litellm_params"]
    given_groups = {
        "shy": ("mistral/shy", "groq/open"),
        "slow": ("groq/slow",),
        "plain": ("hosted_vllm/plain",),
        "checked": ("deepseek/checked",),
        "doubted": ("deepseek/doubted",),
    }
    models = [(group, order, model) for group, held in given_groups.items() for order, model in enumerate(held, 1)]
    for group, order, model in models:
        given = {**template, "model": model, "order": order}
        config["model_list"].append({"model_name": f"tier-{group}", "litellm_params": given})
    for entry in config["model_list"]:
        plain = entry["model_name"] == "tier-plain"
        info = entry.setdefault("model_info", {})
        info |= {"supports_logprobs": not plain} | ({"supports_response_schema": True} if plain else {})
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def gate_policy(tmp: Path, **gate: Any) -> Path:
    """Every request is first given to the simple tier, and its answer is judged by `write_artifact`'s calibration."""
    write_artifact(tmp / "gate.json")
    constant = {"kind": "constant", "constant": 0.9}
    gate = {"artifact": "gate.json", **gate}
    return shipped_policy(tmp, gate=gate, classifier=constant, domains={}, cache={"enabled": False})


class GateStack(Stack):
    """A simulator without delays but for `slow_first_token`, one second, and the model `slow`, twenty tokens a second;
    its model `shy` refuses log probabilities."""

    def _spawn(self, name: str, command: list[str], environment: Mapping[str, str], *, pipe: bool = False) -> Any:
        if name == "simulator":
            path = self.workdir / "simulator.yaml"
            settings = yaml.safe_load(path.read_text(encoding="utf-8"))
            settings["slow_first_token_s"] = 1.0
            settings["latency_scale"] = 1.0
            for spec in settings["models"].values():
                spec |= {"latency_ms": 0.0, "tokens_per_second": 0.0}
            settings["models"]["shy"]["logprobs"] = False
            settings["models"]["slow"]["tokens_per_second"] = 20.0
            path.write_text(yaml.safe_dump(settings), encoding="utf-8")
        return super()._spawn(name, command, environment, pipe=pipe)


class GateProxy(Proxy):
    """What the gate's tests ask of a stack."""

    @contextmanager
    def policy(self, **changes: Any) -> Iterator[None]:
        """Another policy for a while; `gate` is merged into the one in force, the rest replaces top-level keys."""
        path = self.stack.policy
        before = path.read_text(encoding="utf-8")
        document = yaml.safe_load(before)
        document |= {**changes, "gate": {**document["gate"], **changes.get("gate", {})}}
        try:
            self._apply(yaml.safe_dump(document))
            yield
        finally:
            self._apply(before)

    def _apply(self, text: str) -> None:
        version = self.health()["policy"]["version"]
        self.stack.policy.write_text(text, encoding="utf-8")
        wait_until(lambda: self.health()["policy"]["version"] != version, 60)

    def ask(self, kind: str, prompt: str, **options: Any) -> httpx.Response:
        """One request of an API: chat, completion, responses or messages."""
        path, body = request_of(kind, prompt)
        headers = options.pop("headers", None)
        return self.http.post(path, json={"model": "auto", **body, **options}, headers=headers)

    def record(self, response: httpx.Response) -> dict[str, Any]:
        """The one record of an answered request."""
        assert response.status_code == 200, response.text
        records = self.records_of(response.headers["x-router-request-id"])
        assert len(records) == 1
        return records[0]

    def asked(self) -> dict[str, int]:
        """Calls each provider has had since the last reset."""
        return {name: len(requests) for name, requests in self.seen().items() if requests}


def request_of(kind: str, prompt: str) -> tuple[str, dict[str, Any]]:
    """Path and body of a request of one of the four APIs."""
    messages = [{"role": "user", "content": prompt}]
    return {
        "chat": ("/v1/chat/completions", {"messages": messages}),
        "completion": ("/v1/completions", {"prompt": prompt}),
        "responses": ("/v1/responses", {"input": prompt}),
        "messages": ("/v1/messages", {"messages": messages, "max_tokens": 200}),
    }[kind]


def events(text: str) -> list[dict[str, Any]]:
    """The JSON events of an event stream, without its `[DONE]`."""
    lines = [line[5:].strip() for line in text.splitlines() if line.startswith("data:")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def text_of(kind: str, response: httpx.Response) -> str:
    """The answer in a response, streamed or not."""
    if response.headers["content-type"].startswith("text/event-stream"):
        return streamed_text(kind, response.text)
    body = response.json()
    if kind == "chat":
        return str(body["choices"][0]["message"]["content"] or "")
    if kind == "completion":
        return str(body["choices"][0]["text"])
    parts = body["content"] if kind == "messages" else [p for i in body["output"] for p in i.get("content", ())]
    return "".join(part.get("text", "") for part in parts)


def streamed_text(kind: str, text: str) -> str:
    """The answer that the events of a stream amount to."""
    found = []
    for event in events(text):
        if kind == "chat":
            found += [choice["delta"].get("content") or "" for choice in event["choices"]]
        elif kind == "completion":
            found += [choice.get("text") or "" for choice in event["choices"]]
        elif event.get("type") in ("response.output_text.delta", "content_block_delta"):
            delta = event["delta"]
            found.append(delta if isinstance(delta, str) else delta.get("text", ""))
    return "".join(found)


def logprobs_in(text: str) -> list[Any]:
    """Every log probability value in a response, however deep."""
    documents = events(text) if text.lstrip().startswith(("data:", "event:", ":")) else [json.loads(text)]
    found: list[Any] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            found.extend(item for key, item in value.items() if "logprob" in key and item)
            for item in value.values():
                walk(item)
        elif isinstance(value, list):
            for item in value:
                walk(item)

    walk(documents)
    # `/v1/responses` echoes the request, where `top_logprobs` is a setting and 0 by default.
    return [value for value in found if not isinstance(value, int)]
