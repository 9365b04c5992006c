"""Asking deployments for log probabilities, and keeping them from clients that did not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from custom_router.litellm_adapter.answers import get
from custom_router.litellm_adapter.tickets import TicketDesk
from custom_router.litellm_adapter.upstream import body_of

_TOP_LOGPROBS = 5
_IN_RESPONSES = "message.output_text.logprobs"


def _for_chat(kwargs: Mapping[str, Any], alternatives: bool) -> dict[str, Any]:
    return {"logprobs": True, **({"top_logprobs": _TOP_LOGPROBS} if alternatives else {})}


def _for_completion(kwargs: Mapping[str, Any], alternatives: bool) -> dict[str, Any]:
    return {"logprobs": 1}


def _for_responses(kwargs: Mapping[str, Any], alternatives: bool) -> dict[str, Any]:
    asked = kwargs.get("include") or ()
    include = [*(item for item in asked if item != _IN_RESPONSES), _IN_RESPONSES]
    return {"include": include, "top_logprobs": kwargs.get("top_logprobs") or _TOP_LOGPROBS}


# /v1/messages has no log probabilities; LiteLLM's logprobs of streamed /v1/completions do not reach its hooks.
_ADDED = {"acompletion": _for_chat, "atext_completion": _for_completion, "aresponses": _for_responses}


class LogprobRequests:
    """Adds log probabilities to calls whose answers will be judged."""

    def __init__(self, desk: TicketDesk) -> None:
        self._desk = desk

    def ask(self, kwargs: dict[str, Any], call_type: Any) -> dict[str, Any] | None:
        """The call with log probabilities asked for, where its answer will be judged and its deployment gives them.

        LiteLLM runs this anew for each deployment it tries, so a provider without them is never asked.
        """
        name = str(getattr(call_type, "value", call_type))
        if name not in _ADDED or kwargs.get("logprobs") is not None:
            return None
        pending = self._desk.gated(kwargs)
        if pending is None or "logprobs" not in pending[1].policy.document.gate.signals:
            return None
        deployment_id = _model_id(kwargs)
        given = self._desk.deployments.logprobs_of(deployment_id)
        return {**kwargs, **_ADDED[name](kwargs, "top_logprobs" in given)} if given else None

    def refused(self, kwargs: Mapping[str, Any], error: BaseException) -> None:
        """A deployment failed: if because of the log probabilities, it is not asked for them again."""
        if "logprob" in str(error).lower():
            self._desk.deployments.note_no_logprobs(_model_id(kwargs))


def _model_id(kwargs: Mapping[str, Any]) -> object:
    """Id of the deployment that a call is about to go to."""
    for key in ("model_info", "metadata", "litellm_metadata"):
        held = kwargs.get(key)
        info = held if key == "model_info" else get(held, "model_info")
        if isinstance(info, Mapping) and info.get("id"):
            return info["id"]
    return None


def client_wants_logprobs(data: Mapping[str, Any]) -> bool:
    """Whether the client itself asked for log probabilities."""
    body = body_of(data)
    include = body.get("include")
    asked = isinstance(include, list) and any("logprobs" in str(item) for item in include)
    return bool(body.get("logprobs")) or asked
