"""Asking deployments for what the gate reads: log probabilities, or an answer with a confidence of its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from litellm.types.utils import all_litellm_params

from custom_router.confidence.self_check import SELF_CHECK_PARAMETERS
from custom_router.confidence.structured import may_structure, structured_response_format
from custom_router.deployments import Deployment
from custom_router.lifecycle import GateTicket
from custom_router.litellm_adapter.answers import get
from custom_router.litellm_adapter.deployments import takes
from custom_router.litellm_adapter.text_streams import usage_asked
from custom_router.litellm_adapter.tickets import TicketDesk
from custom_router.litellm_adapter.upstream import body_of, call_in

_IN_RESPONSES = "message.output_text.logprobs"
_NAMED = "logprob"
_ADDED_NAMES = ("logprobs", "include")


# Alternatives to each token are not asked for: nothing reads them, and they cost LiteLLM a millisecond of parsing each
# few tokens.
def _for_chat(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return {"logprobs": True}


def _for_completion(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return {"logprobs": 1}


def _for_responses(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    asked = kwargs.get("include") or ()
    return {} if _IN_RESPONSES in asked else {"include": [*asked, _IN_RESPONSES]}


# /v1/messages has no log probabilities; LiteLLM's logprobs of streamed /v1/completions do not reach its hooks.
_ADDED = {"acompletion": _for_chat, "atext_completion": _for_completion, "aresponses": _for_responses}

_USAGE_ASKED = frozenset({"acompletion", "atext_completion"})


class SignalRequests:
    """Adds to calls whose answers will be judged. LiteLLM runs it anew for each deployment that it tries, so that a
    failover leaves nothing behind."""

    def __init__(self, desk: TicketDesk) -> None:
        self._desk = desk

    def ask(self, kwargs: dict[str, Any], call_type: Any) -> dict[str, Any] | None:
        """The call with more asked for, where its deployment can give it: what the gate reads of an answer that will be
        judged, and the usage of a stream. Else None.

        LiteLLM asks for no usage of text completions, and for that of chats only where every deployment of the group
        that the client named can be asked: `auto` is an alias of the frontier, and Anthropic's API tells it unasked.
        """
        name = str(getattr(call_type, "value", call_type))
        more = self._for_usage(kwargs, name) | self._for_gate(kwargs, name)
        return {**kwargs, **more} if more else None

    def _for_usage(self, kwargs: Mapping[str, Any], name: str) -> dict[str, Any]:
        if (
            name not in ("acompletion", "atext_completion")
            or kwargs.get("stream") is not True
            or call_in(kwargs) is None
        ):
            return {}
        deployment = self._desk.deployments.by_id(_model_id(kwargs))
        return usage_asked(kwargs) if deployment is not None and takes(deployment, "stream_options") else {}

    def _for_gate(self, kwargs: Mapping[str, Any], name: str) -> dict[str, Any]:
        found = self._desk.gated(kwargs) if name in _ADDED and kwargs.get("logprobs") is None else None
        deployment = self._desk.deployments.by_id(_model_id(kwargs))
        if found is None or deployment is None or not self._desk.may_judge(*found, deployment):
            return {}
        ticket = found[1]
        signals = ticket.policy.document.gate.signals
        given = self._desk.deployments.logprobs_of(deployment.id)
        if given:
            added = _ADDED[name](kwargs) if "logprobs" in signals else {}
            if added and deployment.id is not None:
                ticket.asked_logprobs.add(deployment.id)
            return added
        # Not of an answer that is delivered whatever it is: one in another form would be nobody's to mend.
        if "structured" not in signals or not self._desk.may_replace(*found, deployment):
            return {}
        return _structured(kwargs, ticket, deployment)

    def refused(self, kwargs: Mapping[str, Any], error: BaseException) -> None:
        """A deployment failed: where it refused the log probabilities that only the gate wanted, it is not asked for
        them for a while.

        What the client wrote is in many an error: one that it can bring about must not blind the gate for others.
        """
        status, model_id = getattr(error, "status_code", None), _model_id(kwargs)
        if not isinstance(status, int) or not 400 <= status < 500 or _NAMED not in str(error).lower():
            return
        found, call = self._desk.gated(kwargs), call_in(kwargs)
        if found is None or call is None:
            return
        checking = call[1] == "judgement"
        asked = checking or model_id in found[1].asked_logprobs
        if asked and not _otherwise_named(kwargs, SELF_CHECK_PARAMETERS if checking else _ADDED_NAMES):
            self._desk.deployments.note_no_logprobs(model_id)


def _otherwise_named(kwargs: Mapping[str, Any], added: Collection[str]) -> bool:
    """Whether anything of a call but what the gate has `added` to it names log probabilities."""
    rest = {name: value for name, value in kwargs.items() if name not in added and name not in all_litellm_params}
    rest["include"] = [item for item in kwargs.get("include") or () if item != _IN_RESPONSES]
    return _NAMED in str(rest).lower()


def _structured(kwargs: Mapping[str, Any], ticket: GateTicket, deployment: Deployment) -> dict[str, Any]:
    """A schema that holds a confidence beside the answer, where the client will not notice it."""
    streamed_on = ticket.view.stream and ticket.policy.document.gate.streaming != "buffer"
    shaped = any(kwargs.get(name) for name in ("stop", "logit_bias", "response_format"))
    able = deployment.facts.get("supports_response_schema") is True
    if streamed_on or shaped or not able or not may_structure(ticket.view) or deployment.id is None:
        return {}
    ticket.structured.add(deployment.id)
    return {"response_format": structured_response_format()}


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
