"""The simulator's routes: `/{provider}/v1/…`, `/v1/…` (provider "default") and the `/_sim/…` controls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.routing import Route

from custom_router.simulator.answers import Answerer
from custom_router.simulator.codec import decode_object
from custom_router.simulator.config import ModelSpec, SimulatorConfig
from custom_router.simulator.content import holds_image
from custom_router.simulator.control import control_routes
from custom_router.simulator.endpoints import Draft, Endpoints
from custom_router.simulator.errors import ApiError, rate_limited, server_error
from custom_router.simulator.faults import FAULT_HEADER, Fault, FaultBoard
from custom_router.simulator.pace import draw_pace
from custom_router.simulator.replay import Replay, load_replay
from custom_router.simulator.replies import EventStream, JsonReply, Refusal, Reply, Silence
from custom_router.simulator.request_log import Entry, RequestLog

DEFAULT_PROVIDER = "default"


class SimulatorApp:
    """All state of one simulator. Raises `OSError` or `ValueError` when the replay file cannot be read."""

    def __init__(self, config: SimulatorConfig) -> None:
        self.config = config
        self.stopping = asyncio.Event()
        self.log = RequestLog(config.log_size)
        self._latency_rng = Random(config.seed)  # noqa: S311 - simulation
        self.faults = FaultBoard(Random(config.seed + 1).random)  # noqa: S311 - simulation
        replay = load_replay(config.replay) if config.replay else Replay([])
        self._endpoints = Endpoints(config, Answerer(replay))

    def asgi(self) -> Starlette:
        """The application; it needs the connection's transport in its state, see `server`."""
        routes = control_routes(self.log, self.faults, self.stopping)
        for prefix in ("", "/{provider}"):
            for name, draft in (
                ("chat/completions", self._endpoints.chat),
                ("completions", self._endpoints.completions),
                ("responses", self._endpoints.responses),
                ("messages", self._endpoints.messages),
                ("embeddings", self._endpoints.embeddings),
            ):
                routes.append(Route(f"{prefix}/v1/{name}", self._endpoint(draft), methods=["POST"]))
            for name, draft in (("tokenize", self._endpoints.tokenize), ("classify", self._endpoints.classify)):
                routes.append(Route(f"{prefix}/{name}", self._endpoint(draft), methods=["POST"]))
            routes.append(Route(f"{prefix}/v1/models", self._endpoint(None), methods=["GET"]))
        handlers: dict[Any, Any] = {
            ApiError: self._api_error,
            HTTPException: self._http_error,
            ClientDisconnect: self._client_left,
        }
        return Starlette(routes=routes, exception_handlers=handlers)

    def _endpoint(self, draft: Callable[[dict[str, Any]], Draft] | None) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Reply:
            provider = request.path_params.get("provider", DEFAULT_PROVIDER)
            entry = self.log.open(provider, request.url.path, request.headers.items())
            try:
                return await self._reply(request, provider, entry, draft)
            finally:
                self.log.close(provider, entry)

        return endpoint

    async def _reply(
        self,
        request: Request,
        provider: str,
        entry: Entry,
        draft: Callable[[dict[str, Any]], Draft] | None,
    ) -> Reply:
        if provider in self.faults.dead:
            entry.fault = "killed"
            return Refusal()
        body = None
        if draft is not None:
            body = decode_object(await _read_body(request, self.config.max_body_bytes))
            _describe(entry, body)
        fault = _requested_fault(request) or self.faults.pick(provider)
        entry.fault = fault
        if fault is Fault.REFUSE:
            return Refusal()
        if fault is Fault.HANG:
            return Silence(self.stopping)
        if fault is Fault.RATE_LIMIT:
            retry_after = str(self.config.retry_after_s).encode()
            return JsonReply(rate_limited().body, self.stopping, 429, [(b"retry-after", retry_after)])
        if fault is Fault.ERROR_500:
            return JsonReply(server_error().body, self.stopping, 500)
        made = self._endpoints.models() if draft is None or body is None else draft(body)
        return self._send(made, fault)

    def _send(self, draft: Draft, fault: Fault | None) -> Reply:
        extra = self.config.slow_first_token_s if fault is Fault.SLOW_FIRST_TOKEN else 0.0
        spec = ModelSpec() if draft.model is None else self.config.spec(draft.model)
        pace = draw_pace(spec, self.config.latency_scale, extra, self._latency_rng)
        cut, garbled = fault is Fault.CUT_STREAM, fault is Fault.MALFORMED_JSON
        if draft.events is not None:
            return EventStream(draft.events(), pace, self.stopping, draft.headers, cut, garbled)
        delay = pace.total_s(draft.tokens)
        return JsonReply(draft.body(), self.stopping, 200, draft.headers, delay, cut, garbled)

    async def _api_error(self, request: Request, error: Exception) -> JsonReply:
        assert isinstance(error, ApiError)
        return JsonReply(error.body, self.stopping, error.status)

    async def _http_error(self, request: Request, error: Exception) -> JsonReply:
        assert isinstance(error, HTTPException)
        body = ApiError(error.status_code, f"{error.detail}: {request.method} {request.url.path}").body
        return JsonReply(body, self.stopping, error.status_code)

    async def _client_left(self, request: Request, error: Exception) -> Refusal:
        return Refusal()


def _describe(entry: Entry, body: dict[str, Any]) -> None:
    """Note what the log keeps of a body, before anything in it has been checked."""
    model = body.get("model")
    entry.model = model[:100] if isinstance(model, str) else None
    entry.stream = body.get("stream") is True
    entry.body_keys = sorted(body)[:100]
    messages = body.get("messages") or body.get("input")
    entry.has_image = isinstance(messages, list) and any(map(holds_image, messages))


def _requested_fault(request: Request) -> Fault | None:
    name = request.headers.get(FAULT_HEADER)
    if name is None:
        return None
    try:
        return Fault(name)
    except ValueError as error:
        known = ", ".join(Fault)
        raise ApiError(400, f"Unknown {FAULT_HEADER} '{name}'; known: {known}.") from error


async def _read_body(request: Request, limit: int) -> bytes:
    """The body. Beyond `limit` bytes a 413, after reading on a little so that the client sees the answer."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size <= limit:
            parts.append(part)
        elif size > 2 * limit:
            break
    if size > limit:
        raise ApiError(413, f"The request body is larger than {limit} bytes.")
    return b"".join(parts)
