"""The one module that knows LiteLLM: its request data, its events, its router. Checked against 1.106.

Hook files stay short by handing everything here; everything here stays short by handing it to `Runtime`.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping, MutableMapping
from datetime import datetime
from pathlib import Path
from typing import Any

import litellm

from custom_router.causes import Cause
from custom_router.decision import NO_LIMITS, Capability, Decision
from custom_router.deployments import Deployment, capabilities, frontier_price, read_deployments
from custom_router.policy import Caller, resolve_caller
from custom_router.policy.schema import PolicyDocument
from custom_router.records.cost import Price
from custom_router.records.record import Tenant, TokenFields
from custom_router.request import CallType, RequestView
from custom_router.routes import build_routes
from custom_router.runtime import Arrival, Ending, Runtime, Served
from custom_router.tiers import TIERS, Tier

logger = logging.getLogger(__name__)

_CALL_TYPES = {
    "completion": CallType.CHAT,
    "acompletion": CallType.CHAT,
    "text_completion": CallType.COMPLETION,
    "atext_completion": CallType.COMPLETION,
    "responses": CallType.RESPONSES,
    "aresponses": CallType.RESPONSES,
    "anthropic_messages": CallType.MESSAGES,
}
_TOKEN = "tier_router_request"  # noqa: S105 - a metadata key
_METADATA_KEYS = ("metadata", "litellm_metadata")
# Fallbacks named in a request body would lead past a caller's cap.
_CLIENT_FALLBACKS = ("fallbacks", "context_window_fallbacks", "content_policy_fallbacks")
_REFRESH_SECONDS = 10.0

_connected: dict[Path, LiteLLMAdapter] = {}
_connecting = threading.Lock()


def connect(hook_file: str) -> LiteLLMAdapter:
    """The adapter of a hook file, one per policy and process: LiteLLM loads each hook file by itself, and all share.

    The policy is `$TIER_ROUTER_POLICY`, else `routing_policy.yaml` in the folder that holds `hooks/`.
    """
    beside = Path(hook_file).resolve().parent.parent / "routing_policy.yaml"
    path = Path(os.environ.get("TIER_ROUTER_POLICY") or beside).resolve()
    with _connecting:
        if path not in _connected:
            adapter = LiteLLMAdapter(Runtime.serve(path))
            _connected[path] = adapter
            _mount_routes(adapter.runtime)
        return _connected[path]


def model_facts(model: str) -> Mapping[str, Any]:
    """LiteLLM's price map entry of a model; empty for one it does not know."""
    for key in (model, model.partition("/")[2]):
        entry = litellm.model_cost.get(key)
        if isinstance(entry, Mapping):
            return entry
    return {}


class LiteLLMAdapter:
    """LiteLLM's hooks in terms of `Runtime`. Every method tolerates whatever LiteLLM hands it."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._deployments = _DeploymentTable()

    async def pre_call(
        self, data: MutableMapping[str, Any], user: Any, call_type: str
    ) -> MutableMapping[str, Any] | None:
        """Route a request that asks for an entry model: `data["model"]` becomes a tier's group. None: not ours."""
        began = time.perf_counter()
        policy = self.runtime.engine.policy.document
        kind = _CALL_TYPES.get(call_type)
        model = data.get("model")
        if kind is None or not isinstance(model, str) or model not in policy.entry_models:
            return None
        # `stream` and friends may have been moved or set by LiteLLM; the shape it was sent in is still there.
        view = RequestView.from_body(kind, data)
        caller = _caller(policy, user, data)
        arrival = Arrival(
            entry_model=model,
            tenant=_tenant(user),
            litellm_call_id=_text_or_none(data.get("litellm_call_id")),
            conversation_scope=str(_attribute(user, "api_key") or ""),
            began=began,
        )
        token, pending, decision = await self.runtime.begin(view, caller, arrival, self._capabilities(policy))
        for key in _CLIENT_FALLBACKS:
            data.pop(key, None)
        data["model"] = pending.record.model_group
        if (allowed := _allowed_fallbacks(policy, caller, decision)) is not None:
            data["fallbacks"] = allowed
            data["context_window_fallbacks"] = allowed
        self._mark(data, token, pending.record.as_dict())
        return data

    def response_headers(self, data: Mapping[str, Any], call_info: Mapping[str, Any] | None) -> dict[str, str] | None:
        """The `x-router-*` headers of a routed request; None for any other."""
        token = _token_in(data)
        if token is None:
            return None
        return self.runtime.headers(token, self._served((call_info or {}).get("model_id")))

    def succeeded(self, kwargs: Mapping[str, Any], began: Any) -> None:
        """A request was answered (a stream: to its end, or to where the client left): complete its record.

        Also puts the finished record where LiteLLM's own loggers look for metadata.
        """
        params = kwargs.get("litellm_params") or {}
        token = _token_in(params)
        if token is None:
            return
        payload = kwargs.get("standard_logging_object") or {}
        record = self.runtime.end(
            token,
            Ending(
                status="ok",
                served=self._served(payload.get("model_id"), payload.get("model_group")),
                tokens=TokenFields(_count(payload.get("prompt_tokens")), _count(payload.get("completion_tokens"))),
                cost=_number(kwargs.get("response_cost")),
                ttft_ms=_milliseconds(began, kwargs.get("completion_start_time")),
                frontier=self._frontier_price(),
            ),
        )
        if record is not None:
            finished = record.as_dict()
            for holder in (params, payload):
                _publish(holder, finished)

    def failed(self, data: Mapping[str, Any], error: BaseException) -> None:
        """A request ended in an error that the client sees: complete its record."""
        token = _token_in(data)
        if token is None:
            return
        served = self._served(_attribute(error, "litellm_model_id"), None)
        self.runtime.end(token, Ending(status="error", error=type(error).__name__, served=served))

    def _mark(self, data: MutableMapping[str, Any], token: str, record: dict[str, Any]) -> None:
        key = "litellm_metadata" if isinstance(data.get("litellm_metadata"), dict) else "metadata"
        held = data.get(key)
        metadata = held if isinstance(held, dict) else {}
        data[key] = metadata
        metadata[_TOKEN] = token
        _publish({key: metadata}, record)

    def _served(self, model_id: object, group: object = None) -> Served | None:
        deployment = self._deployments.by_id(model_id)
        if deployment is not None:
            return Served(deployment.group, deployment.id, deployment.order)
        return Served(group, None) if isinstance(group, str) else None

    def _capabilities(self, policy: PolicyDocument) -> Mapping[Tier, Capability]:
        known = self._deployments.all()
        return capabilities(known, policy.tiers) if known else NO_LIMITS

    def _frontier_price(self) -> Price | None:
        return frontier_price(self._deployments.all(), self.runtime.engine.policy.document.tiers)


class _DeploymentTable:
    """The router's deployments, read again every ten seconds: LiteLLM can add models while it runs."""

    def __init__(self) -> None:
        self._read_at = float("-inf")
        self._list: list[Deployment] = []
        self._by_id: dict[str, Deployment] = {}

    def all(self) -> list[Deployment]:
        if time.monotonic() - self._read_at > _REFRESH_SECONDS:
            from litellm.proxy.proxy_server import llm_router  # None until LiteLLM has started

            if llm_router is not None:
                self._list = read_deployments(llm_router.model_list, model_facts)
                self._by_id = {d.id: d for d in self._list if d.id}
                self._read_at = time.monotonic()
        return self._list

    def by_id(self, model_id: object) -> Deployment | None:
        self.all()
        return self._by_id.get(model_id) if isinstance(model_id, str) else None


def _caller(policy: PolicyDocument, user: Any, data: Mapping[str, Any]) -> Caller:
    team, key = (_attribute(user, name) for name in ("team_metadata", "metadata"))
    request = data.get("proxy_server_request")
    headers = request.get("headers") if isinstance(request, Mapping) else None
    return resolve_caller(
        policy,
        team_settings=team.get("router") if isinstance(team, Mapping) else None,
        key_settings=key.get("router") if isinstance(key, Mapping) else None,
        headers={str(k).lower(): str(v) for k, v in headers.items()} if isinstance(headers, Mapping) else None,
        team=_text_or_none(_attribute(user, "team_id")),
        team_alias=_text_or_none(_attribute(user, "team_alias")),
    )


def _tenant(user: Any) -> Tenant:
    return Tenant(
        team=_text_or_none(_attribute(user, "team_id")),
        team_alias=_text_or_none(_attribute(user, "team_alias")),
        key_alias=_text_or_none(_attribute(user, "key_alias")),
        key_hash=_text_or_none(_attribute(user, "token")),
    )


def _allowed_fallbacks(policy: PolicyDocument, caller: Caller, decision: Decision) -> list[dict[str, list[str]]] | None:
    """Upward fallbacks that stay under the caller's cap; None where the configured ones may stand."""
    if caller.max_tier is Tier.FRONTIER or Cause.DOMAIN_OVER_CAP in decision.causes:
        return None
    above = [policy.tiers[t].model for t in TIERS if decision.served.rank < t.rank <= caller.max_tier.rank]
    return [{policy.tiers[decision.served].model: above}] if above else []


def _token_in(holder: Mapping[str, Any]) -> str | None:
    for key in reversed(_METADATA_KEYS):
        metadata = holder.get(key)
        if isinstance(metadata, Mapping) and isinstance(token := metadata.get(_TOKEN), str):
            return token
    return None


def _publish(holder: Any, record: dict[str, Any]) -> None:
    """Put the record into `spend_logs_metadata`, the part of LiteLLM's metadata that every logger passes on."""
    for key in _METADATA_KEYS:
        metadata = holder.get(key) if isinstance(holder, Mapping) else None
        if isinstance(metadata, dict):
            known = metadata.get("spend_logs_metadata")
            metadata["spend_logs_metadata"] = {**(known if isinstance(known, dict) else {}), "router": record}


def _attribute(user: Any, name: str) -> Any:
    return getattr(user, name, None)


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _milliseconds(began: Any, ended: Any) -> float | None:
    if not isinstance(began, datetime) or not isinstance(ended, datetime):
        return None
    return (ended - began).total_seconds() * 1000


def _mount_routes(runtime: Runtime) -> None:
    from fastapi import Depends, HTTPException
    from litellm.proxy._types import LitellmUserRoles, UserAPIKeyAuth
    from litellm.proxy.auth.user_api_key_auth import user_api_key_auth
    from litellm.proxy.proxy_server import app

    async def admin_only(user: UserAPIKeyAuth = Depends(user_api_key_auth)) -> None:  # noqa: B008 - FastAPI's form
        if user.user_role not in (LitellmUserRoles.PROXY_ADMIN, LitellmUserRoles.PROXY_ADMIN_VIEW_ONLY):
            raise HTTPException(403, "this route needs the proxy's admin key")

    app.include_router(build_routes(runtime, admin_only))
