"""What the simulated model says: a recorded answer where there is one, otherwise generated from the prompt."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import blake2b
from random import Random

from custom_router.simulator.content import Tool
from custom_router.simulator.errors import ApiError
from custom_router.simulator.replay import Replay, ReplayRow
from custom_router.simulator.request import Ask
from custom_router.simulator.schema_fill import SchemaFiller
from custom_router.simulator.text import keywords, write_prose
from custom_router.simulator.tokens import split_tokens


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One function call; `Answer.tokens` are the pieces of its JSON arguments."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One choice. `logprobs`, when asked for, has one natural-log probability for each of `tokens`."""

    tokens: list[str]
    finish_reason: str
    tool: ToolCall | None = None
    logprobs: list[float] | None = None
    replayed: bool = False
    score: float | None = None

    @property
    def text(self) -> str:
        """The answer, or the tool call's arguments."""
        return "".join(self.tokens)


class Answerer:
    """Answers asks; the same ask always gets the same answers."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay

    def answer(self, ask: Ask) -> list[Answer]:
        """`ask.n` choices. Raises a 400 `ApiError` for a schema that cannot be filled."""
        row = self._replay.find(ask.prompt, ask.model)
        if row is not None:
            return [_recorded(ask, row)] * ask.n
        return [_generated(ask, index) for index in range(ask.n)]


def _recorded(ask: Ask, row: ReplayRow) -> Answer:
    tokens, logprobs = row.tokens()
    call = ToolCall(f"call_{_rng(ask, 0, 'tool').getrandbits(96):024x}", row.tool) if row.tool else None
    tokens, reason = _cut(ask, tokens, row.finish_reason or ("tool_calls" if call else "stop"))
    if ask.logprobs:
        logprobs = (logprobs or _draw_logprobs(len(tokens), _rng(ask, 0, "logprobs")))[: len(tokens)]
    else:
        logprobs = None
    return Answer(tokens, reason, call, logprobs, replayed=True, score=row.score)


def _generated(ask: Ask, index: int) -> Answer:
    rng = _rng(ask, index, "answer")
    words = keywords(ask.prompt)
    call: ToolCall | None = None
    if ask.tools and not ask.after_tool:
        tool = _pick_tool(ask, words)
        call = ToolCall(f"call_{rng.getrandbits(96):024x}", tool.name)
        text = _fill(tool.parameters or {"type": "object"}, rng, words)
    elif ask.schema is not None:
        text = _fill(ask.schema, rng, words)
    elif ask.json_mode:
        text = json.dumps({"answer": write_prose(ask.model, words, rng), "topics": words})
    else:
        text = write_prose(ask.model, words, rng)
    tokens, reason = _cut(ask, split_tokens(text), "tool_calls" if call else "stop")
    logprobs = _draw_logprobs(len(tokens), rng) if ask.logprobs else None
    return Answer(tokens, reason, tool=call, logprobs=logprobs)


def _pick_tool(ask: Ask, words: list[str]) -> Tool:
    """The tool whose name shares most words with the prompt; the first one on a tie."""
    prompt_words = {word.lower() for word in words}
    return max(ask.tools, key=lambda tool: len(prompt_words & set(tool.name.lower().replace("-", "_").split("_"))))


def _fill(schema: dict[str, object], rng: Random, words: list[str]) -> str:
    try:
        return json.dumps(SchemaFiller(schema, rng, words).fill())
    except ValueError as error:
        raise ApiError(400, f"The JSON schema cannot be filled: {error}.") from error


def _cut(ask: Ask, tokens: list[str], reason: str) -> tuple[list[str], str]:
    """Apply `stop`, then `max_tokens`."""
    text = "".join(tokens) if ask.stop else ""
    hits = [at for at in (text.find(stop) for stop in ask.stop) if at >= 0]
    if hits:
        tokens, reason = _keep_characters(tokens, min(hits)), "stop"
    if ask.max_tokens is not None and len(tokens) > ask.max_tokens:
        return tokens[: ask.max_tokens], "length"
    return tokens, reason


def _keep_characters(tokens: list[str], count: int) -> list[str]:
    kept: list[str] = []
    for token in tokens:
        if count <= 0:
            break
        kept.append(token[:count])
        count -= len(token)
    return kept


def _draw_logprobs(count: int, rng: Random) -> list[float]:
    """One answer in eight is doubtful throughout; in the others a few tokens are."""
    mean = 0.9 if rng.random() < 0.125 else 0.15
    return [-rng.expovariate(1 / mean) for _ in range(count)]


def _rng(ask: Ask, index: int, purpose: str) -> Random:
    seed = f"{purpose}\0{index}\0{ask.model}\0{ask.prompt}".encode("utf-8", "surrogatepass")
    return Random(blake2b(seed, digest_size=8).digest())  # noqa: S311 - reproducible, not secret
