"""The gate's own calls: asking another tier for an answer to the same request, on the same caller's account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from custom_router.confidence.self_check import SELF_CHECK_PARAMETERS, p_true, self_check_messages
from custom_router.lifecycle import GateTicket
from custom_router.litellm_adapter.answers import read_answer
from custom_router.litellm_adapter.reading import HIGHEST, METADATA_KEYS, TOKEN, token_in
from custom_router.request import CallType, RequestView
from custom_router.tiers import Tier

ACCOUNT = "tier_router_gate_call"
"""Metadata key that says for which request, and for what, the gate made a call of its own."""

# What LiteLLM or we put into a request, and what must not be repeated: the sub-call is routed by its own group.
_NOT_REPEATED = frozenset(
    {"model", "metadata", "litellm_metadata", "fallbacks", "context_window_fallbacks", "content_policy_fallbacks",
     "litellm_call_id", "litellm_trace_id", "litellm_session_id", "litellm_logging_obj", "proxy_server_request",
     "num_retries", "cache", "mock_response", "stream", "guardrails", "tags"}
)  # fmt: skip


def body_of(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The request as the client sent it."""
    request = data.get("proxy_server_request")
    body = request.get("body") if isinstance(request, Mapping) else None
    return body if isinstance(body, Mapping) else {}


def repeated(data: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a request that another call repeats: what the client sent, as guardrails have left it."""
    return {key: data[key] for key in body_of(data) if key in data and key not in _NOT_REPEATED}


def account(data: Mapping[str, Any], token: str, purpose: str) -> dict[str, Any]:
    """Metadata that puts a call on the same key, team and user as the request, and names it as the gate's."""
    from litellm.litellm_core_utils.internal_call_metadata import forwarded_internal_call_metadata

    parent = data.get("litellm_metadata") or data.get("metadata") or {}
    origin = cast(Any, "tier_router_gate")  # LiteLLM's own origins are a closed list; the spend log takes any name
    metadata = dict(forwarded_internal_call_metadata(parent, origin))
    metadata.pop(TOKEN, None)
    if isinstance(parent.get(HIGHEST), Tier):
        metadata[HIGHEST] = parent[HIGHEST]
    metadata[ACCOUNT] = {"token": token, "purpose": purpose}
    return metadata


async def ask_group(kind: CallType, data: Mapping[str, Any], groups: Sequence[str], token: str, *, stream: bool) -> Any:
    """The answer of a model group to the same request, in the same API's form. Raises what LiteLLM raises.

    `groups` is the group and, after it, those that may answer when it is out: LiteLLM's own fallbacks know no caps.
    """
    from litellm.proxy.proxy_server import llm_router

    if llm_router is None:
        raise RuntimeError("LiteLLM's router is not running")
    router = cast(Any, llm_router)
    call = {
        CallType.CHAT: router.acompletion,
        CallType.COMPLETION: router.atext_completion,
        CallType.RESPONSES: router.aresponses,
        CallType.MESSAGES: router.aanthropic_messages,
    }[kind]
    holder = "metadata" if kind in (CallType.CHAT, CallType.COMPLETION) else "litellm_metadata"
    group, *above = groups
    fallbacks = [{group: above}] if above else []
    arguments = {
        **repeated(data),
        "model": group,
        "fallbacks": fallbacks,
        "context_window_fallbacks": fallbacks,
        holder: account(data, token, "answer"),
    }
    if stream:
        arguments["stream"] = True
    return await call(**arguments)


async def ask_self(
    kind: CallType, data: Mapping[str, Any], view: RequestView, answer: str, deployment_id: str, token: str
) -> float | None:
    """Log P(True): the deployment that gave an answer says in one token whether it is right. Raises what LiteLLM does.

    The conversation comes first, unchanged where it is a chat, so that the provider's prompt cache holds it.
    """
    from litellm.proxy.proxy_server import llm_router

    if llm_router is None:
        return None
    given = data.get("messages") if kind is CallType.CHAT else None
    response = await cast(Any, llm_router).acompletion(
        model=deployment_id,
        messages=self_check_messages(given if isinstance(given, list) else _as_chat(view), answer),
        metadata=account(data, token, "judgement"),
        **SELF_CHECK_PARAMETERS,
    )
    checked = read_answer(CallType.CHAT, response, "")
    return None if checked is None else p_true(checked.tokens)


def _as_chat(view: RequestView) -> list[dict[str, Any]]:
    turns = [{"role": "system", "content": view.system}] if view.system else []
    turns += [{"role": t.role, "content": t.text} for t in view.history if t.role in ("user", "assistant") and t.text]
    return [*turns, {"role": "user", "content": view.text}]


def call_in(holder: Mapping[str, Any]) -> tuple[str, str | None] | None:
    """Which routed request a call is for, by token, and its purpose where the gate made it; None for any other call.

    The request's own mark comes first: clients may write metadata, and a forged account must not pass their call off as
    one of the gate's, whose end ends no record.
    """
    if (token := token_in(holder)) is not None:
        return token, None
    for key in METADATA_KEYS:
        metadata = holder.get(key)
        marked = metadata.get(ACCOUNT) if isinstance(metadata, Mapping) else None
        if isinstance(marked, Mapping) and isinstance(token := marked.get("token"), str):
            return token, str(marked.get("purpose"))
    return None


async def bill_partial(stream: Any) -> bool:
    """Have LiteLLM bill what an abandoned stream has already given. Whether a bill is on its way."""
    from litellm.proxy.common_request_processing import _bill_partial_streamed_spend_on_disconnect

    logging = getattr(stream, "logging_obj", None) or getattr(getattr(stream, "inner", None), "logging_obj", None)
    if logging is None:
        return False
    return bool(await _bill_partial_streamed_spend_on_disconnect({"litellm_logging_obj": logging}, stream))


class Accounted:
    """Counts a call of the gate's until it is billed; one that fails is never billed."""

    def __init__(self, ticket: GateTicket) -> None:
        self._ticket = ticket

    def __enter__(self) -> None:
        self._ticket.unbilled += 1

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._ticket.unbilled -= 1
