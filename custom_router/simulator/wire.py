"""Chat, completion and embedding bodies and stream chunks as OpenAI sends them."""

from __future__ import annotations

import base64
import math
import time
from collections.abc import Iterator
from hashlib import blake2b
from itertools import count
from typing import Any

import numpy as np

from custom_router.simulator.answers import Answer
from custom_router.simulator.request import Ask

FINGERPRINT = "simulated"
_numbers = count(1)

Json = dict[str, Any]


def new_id(prefix: str) -> str:
    """An id unique in this process, recognisable as simulated."""
    return f"{prefix}-sim-{next(_numbers):08d}"


def usage(asks: list[Ask], answers: list[Answer]) -> Json:
    """Token counts over all prompts and choices."""
    prompt = sum(ask.prompt_tokens for ask in asks)
    reasoning = sum(ask.reasoning_tokens * ask.n for ask in asks)
    completion = sum(len(answer.tokens) for answer in answers) + reasoning
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": sum(ask.cached_tokens for ask in asks)},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }


def chat_completion(ask: Ask, answers: list[Answer]) -> Json:
    """The body of a plain chat completion."""
    choices = [
        {
            "index": index,
            "message": _message(answer),
            "logprobs": _chat_logprobs(answer, ask.top_logprobs, 0, len(answer.tokens)),
            "finish_reason": answer.finish_reason,
        }
        for index, answer in enumerate(answers)
    ]
    head = _head("chat.completion", "chatcmpl", ask.model)
    return {**head, "choices": choices, "usage": usage([ask], answers)}


def chat_chunks(ask: Ask, answers: list[Answer]) -> Iterator[Json]:
    """The chunks of a streamed chat completion, one a token, choices side by side."""
    head = _head("chat.completion.chunk", "chatcmpl", ask.model)
    if ask.include_usage:
        head["usage"] = None

    def chunk(index: int, delta: Json, logprobs: Json | None = None, reason: str | None = None) -> Json:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
        return {**head, "choices": [choice]}

    for index, answer in enumerate(answers):
        yield chunk(index, _opening_delta(answer))
    for position in range(max(len(answer.tokens) for answer in answers)):
        for index, answer in enumerate(answers):
            if position < len(answer.tokens):
                logprobs = _chat_logprobs(answer, ask.top_logprobs, position, position + 1)
                yield chunk(index, _delta(answer, answer.tokens[position]), logprobs)
    for index, answer in enumerate(answers):
        yield chunk(index, {}, reason=answer.finish_reason)
    if ask.include_usage:
        yield {**head, "choices": [], "usage": usage([ask], answers)}


def text_completion(asks: list[Ask], answers: list[Answer]) -> Json:
    """The body of a plain legacy completion; `answers` run through every prompt's choices in turn."""
    choices = [
        {
            "index": index,
            "text": answer.text,
            "logprobs": _legacy_logprobs(answer, asks[0].top_logprobs, 0, len(answer.tokens)),
            "finish_reason": answer.finish_reason,
        }
        for index, answer in enumerate(answers)
    ]
    head = _head("text_completion", "cmpl", asks[0].model)
    return {**head, "choices": choices, "usage": usage(asks, answers)}


def text_chunks(asks: list[Ask], answers: list[Answer]) -> Iterator[Json]:
    """The chunks of a streamed legacy completion."""
    head = _head("text_completion", "cmpl", asks[0].model)
    for index, answer in enumerate(answers):
        last = len(answer.tokens) - 1
        for position, token in enumerate(answer.tokens or [""]):
            logprobs = _legacy_logprobs(answer, asks[0].top_logprobs, position, position + 1)
            reason = answer.finish_reason if position >= last else None
            choice = {"index": index, "text": token, "logprobs": logprobs, "finish_reason": reason}
            yield {**head, "choices": [choice]}
    if asks[0].include_usage:
        yield {**head, "choices": [], "usage": usage(asks, answers)}


def embeddings(model: str, inputs: list[tuple[str, int]], dimensions: int, *, as_base64: bool) -> Json:
    """The body of an embeddings answer: float32 unit vectors, the same for the same text and model."""
    data = []
    for index, (text, _) in enumerate(inputs):
        vector = _unit_vector(model, text, dimensions)
        value = base64.b64encode(vector.tobytes()).decode() if as_base64 else vector.tolist()
        data.append({"object": "embedding", "index": index, "embedding": value})
    tokens = sum(tokens for _, tokens in inputs)
    return {
        "object": "list",
        "data": data,
        "model": model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def model_list(names: list[str]) -> Json:
    """The body of `GET models`."""
    data = [{"id": name, "object": "model", "created": 0, "owned_by": "simulator"} for name in names]
    return {"object": "list", "data": data}


def token_logprobs(answer: Answer, top: int, start: int, end: int) -> list[Json]:
    """`{token, logprob, bytes, top_logprobs}` of the tokens from `start` to `end`; none if not asked for."""
    if answer.logprobs is None:
        return []
    pairs = zip(answer.tokens[start:end], answer.logprobs[start:end], strict=True)
    return [
        {**_candidate(token, value), "top_logprobs": [_candidate(*pair) for pair in _ranked(token, value, top)]}
        for token, value in pairs
    ]


def _head(kind: str, prefix: str, model: str) -> Json:
    return {
        "id": new_id(prefix),
        "object": kind,
        "created": int(time.time()),
        "model": model,
        "system_fingerprint": FINGERPRINT,
    }


def _message(answer: Answer) -> Json:
    message: Json = {"role": "assistant", "content": answer.text, "refusal": None}
    if answer.tool is not None:
        function = {"name": answer.tool.name, "arguments": answer.text}
        call = {"id": answer.tool.id, "type": "function", "function": function}
        message.update(content=None, tool_calls=[call])
    return message


def _opening_delta(answer: Answer) -> Json:
    if answer.tool is None:
        return {"role": "assistant", "content": "", "refusal": None}
    function = {"name": answer.tool.name, "arguments": ""}
    call = {"index": 0, "id": answer.tool.id, "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def _delta(answer: Answer, token: str) -> Json:
    if answer.tool is None:
        return {"content": token}
    return {"tool_calls": [{"index": 0, "function": {"arguments": token}}]}


def _chat_logprobs(answer: Answer, top: int, start: int, end: int) -> Json | None:
    if answer.logprobs is None or answer.tool is not None:
        return None
    return {"content": token_logprobs(answer, top, start, end), "refusal": None}


def _legacy_logprobs(answer: Answer, top: int, start: int, end: int) -> Json | None:
    if answer.logprobs is None:
        return None
    tokens, values = answer.tokens[start:end], answer.logprobs[start:end]
    offset = sum(map(len, answer.tokens[:start]))
    offsets = []
    for token in tokens:
        offsets.append(offset)
        offset += len(token)
    ranked = [dict(_ranked(token, value, top)) for token, value in zip(tokens, values, strict=True)]
    return {"tokens": tokens, "token_logprobs": values, "top_logprobs": ranked, "text_offset": offsets}


def _candidate(token: str, logprob: float) -> Json:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode("utf-8", "surrogatepass"))}


def _ranked(token: str, logprob: float, top: int) -> list[tuple[str, float]]:
    """`top` candidates, the chosen one first; the others share half of the probability left, and so on."""
    rest = max(1.0 - math.exp(min(logprob, 0.0)), 1e-9)
    others = [(f"{token}~{rank}", min(math.log(rest * 0.5**rank), logprob)) for rank in range(1, top)]
    return [(token, logprob), *others][:top]


def _unit_vector(model: str, text: str, dimensions: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    seed = blake2b(f"{model}\0{text}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
    vector = np.random.default_rng(int.from_bytes(seed, "big")).standard_normal(dimensions, dtype=np.float32)
    return (vector / np.linalg.norm(vector)).astype("<f4")
