"""What vLLM has beside OpenAI's API and a classifier needs: label log probabilities, `/tokenize`, `/classify`."""

from __future__ import annotations

import math
from typing import Any

from pydantic import BaseModel, Field

from custom_router.simulator import wire
from custom_router.simulator.errors import ApiError
from custom_router.simulator.request import ChatBody, validate
from custom_router.simulator.tokens import estimate_tokens, split_tokens

_BELOW = ord("A") - 32
"""Qwen2's vocabulary has "A" at 32, "B" at 33 and so on."""
_WORDS_A_LEVEL = 12
_CLASSES = 3


class TokenizeBody(BaseModel):
    """`POST /tokenize`."""

    model: str = Field(min_length=1)
    prompt: str
    add_special_tokens: bool = True


class ClassifyBody(BaseModel):
    """`POST /classify`."""

    model: str = Field(min_length=1)
    input: str


class LabelledChat(ChatBody):
    """A chat request for the log probabilities of chosen tokens."""

    logprob_token_ids: list[int] = Field(min_length=1, max_length=128)
    return_tokens_as_token_ids: bool = False


def tokenized(body: dict[str, Any]) -> dict[str, Any]:
    """Reply of `/tokenize`: one id for each piece of the text; a single character has Qwen2's."""
    asked = validate(TokenizeBody, body)
    tokens = [_token_id(piece) for piece in split_tokens(asked.prompt)]
    return {"count": len(tokens), "max_model_len": 32_768, "tokens": tokens, "token_strs": None}


def classified(body: dict[str, Any]) -> dict[str, Any]:
    """Reply of `/classify` with three classes: the longer the text, the higher the likely one."""
    asked = validate(ClassifyBody, body)
    probs = _spread(asked.input, _CLASSES)
    tokens = estimate_tokens(len(asked.input))
    best = max(range(_CLASSES), key=probs.__getitem__)
    return {
        "id": wire.new_id("classify"),
        "object": "list",
        "created": 0,
        "model": asked.model,
        "data": [{"index": 0, "label": f"LABEL_{best}", "probs": probs, "num_classes": _CLASSES}],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens, "completion_tokens": 0},
    }


def labelled(body: dict[str, Any]) -> dict[str, Any]:
    """A chat completion of one token with log probabilities of exactly the ids asked for and of the chosen one.

    The later an id stands in the list, the harder it is taken to mean: a longer last message makes it likelier.
    """
    chat = validate(LabelledChat, body)
    if not chat.logprobs:
        raise ApiError(400, "when using `logprob_token_ids`, `logprobs` must be set to true.", param="logprobs")
    last = chat.messages[-1].get("content")
    text = last if isinstance(last, str) else ""
    ids = chat.logprob_token_ids
    # A model gives some of its belief to words that are no label.
    found = {i: math.log(0.9 * p) for i, p in zip(ids, _spread(text, len(ids)), strict=True)}
    best = max(found, key=found.__getitem__)

    def entry(token: int) -> dict[str, Any]:
        name = f"token_id:{token}" if chat.return_tokens_as_token_ids else chr(token + _BELOW)
        return {"token": name, "logprob": found[token], "bytes": list(name.encode())}

    content = {**entry(best), "top_logprobs": [entry(i) for i in (best, *(i for i in ids if i != best))]}
    tokens = estimate_tokens(sum(len(str(m.get("content"))) for m in chat.messages))
    return {
        "id": wire.new_id("chatcmpl"),
        "object": "chat.completion",
        "created": 0,
        "model": chat.model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": chr(best + _BELOW)},
                "logprobs": {"content": [content]},
                "finish_reason": "length",
            }
        ],
        "usage": {"prompt_tokens": tokens, "completion_tokens": 1, "total_tokens": tokens + 1},
    }


def _token_id(piece: str) -> int:
    return ord(piece) - _BELOW if len(piece) == 1 else 1_000 + sum(map(ord, piece)) % 100_000


def _spread(text: str, levels: int) -> list[float]:
    """Probabilities over levels, highest at one for every twelve words."""
    at = min(len(text.split()) / _WORDS_A_LEVEL, levels - 1.0)
    weights = [math.exp(-abs(level - at)) for level in range(levels)]
    return [weight / sum(weights) for weight in weights]
