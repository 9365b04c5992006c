"""The LiteLLM provider behind the `cache-hit` group: answers a request that the cache found an answer for.

Served this way a stored answer takes LiteLLM's ordinary path: all four APIs, streams, callbacks, spend log, cost 0.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from litellm.llms.custom_llm import CustomLLM, CustomLLMError
from litellm.types.utils import Choices, Message, ModelResponse, Usage

from custom_router.lifecycle import StoredAnswer
from custom_router.litellm_adapter.reading import token_in
from custom_router.records.pending import PendingRecords
from custom_router.records.record import TokenFields

_FINISH = "stop"
"""An answer that ended otherwise is not stored."""
_PIECE = 1_024
"""Characters of a stored answer in one event of a stream."""


class StoredAnswers(CustomLLM):  # type: ignore[misc]  # LiteLLM is not followed by mypy
    """Gives each request the answer that was found for it, and nobody anything else.

    Which answer is found by the request's token, made here and held in this process's memory: a client that names the
    group itself, whatever it writes into its metadata, gets a 400.
    """

    def __init__(self, pending: PendingRecords) -> None:
        super().__init__()
        self._pending = pending

    async def acompletion(self, **call: Any) -> ModelResponse:
        """The whole answer. LiteLLM passes everything by keyword."""
        answer = self._answer(call)
        response: ModelResponse = call["model_response"]
        message = Message(role="assistant", content=answer.text)
        response.choices = [Choices(index=0, finish_reason=_FINISH, message=message)]
        response.created = int(time.time())
        response.model = answer.model
        response.usage = Usage(**_usage(answer.tokens))
        return response

    async def astreaming(self, **call: Any) -> AsyncIterator[dict[str, Any]]:
        """The answer in LiteLLM's generic chunks."""
        answer = self._answer(call)
        for start in range(0, len(answer.text), _PIECE):
            yield _chunk(answer.text[start : start + _PIECE])
        yield _chunk("", _FINISH, _usage(answer.tokens))

    def _answer(self, call: Mapping[str, Any]) -> StoredAnswer:
        token = token_in(call.get("litellm_params") or {})
        pending = self._pending.get(token) if token is not None else None
        if pending is None or pending.hit is None:
            # Not 404 or 5xx: for those LiteLLM rests the group, and a client could switch the cache off for everybody.
            raise CustomLLMError(status_code=400, message="there is no stored answer for this request")
        return pending.hit


def _chunk(text: str, finish_reason: str = "", usage: dict[str, int] | None = None) -> dict[str, Any]:
    return {
        "text": text,
        "is_finished": bool(finish_reason),
        "finish_reason": finish_reason,
        "index": 0,
        "tool_use": None,
        "usage": usage,
    }


def _usage(tokens: TokenFields) -> dict[str, int]:
    return {
        "prompt_tokens": tokens.input,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.input + tokens.output,
    }
