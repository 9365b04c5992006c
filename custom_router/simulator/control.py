"""The `/_sim/…` routes: faults, dead providers, the request log, health."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from custom_router.simulator.codec import decode_object
from custom_router.simulator.errors import ApiError
from custom_router.simulator.faults import FaultBoard, FaultRule, KillRequest
from custom_router.simulator.replies import JsonReply
from custom_router.simulator.request import validate
from custom_router.simulator.request_log import RequestLog

MAX_CONTROL_BYTES = 16 * 1024


def control_routes(log: RequestLog, faults: FaultBoard, stopping: asyncio.Event) -> list[Route]:
    """The control API over this log and this board."""

    def state() -> dict[str, Any]:
        return {"faults": [rule.model_dump() for rule in faults.rules], "dead": sorted(faults.dead)}

    async def add_fault(request: Request) -> dict[str, Any]:
        faults.add(validate(FaultRule, await _read(request)))
        return state()

    async def clear_faults(request: Request) -> dict[str, Any]:
        faults.clear()
        return state()

    async def show_faults(request: Request) -> dict[str, Any]:
        return state()

    async def kill(request: Request) -> dict[str, Any]:
        faults.kill(validate(KillRequest, await _read(request)).provider)
        return state()

    async def revive(request: Request) -> dict[str, Any]:
        faults.dead.discard(validate(KillRequest, await _read(request)).provider)
        return state()

    async def show_log(request: Request) -> dict[str, Any]:
        return {"providers": log.snapshot()}

    async def reset_log(request: Request) -> dict[str, Any]:
        log.reset()
        return {"providers": {}}

    async def health(request: Request) -> dict[str, Any]:
        return {"status": "ok", "simulated": True, **state()}

    def route(path: str, method: str, action: Callable[[Request], Awaitable[dict[str, Any]]]) -> Route:
        async def endpoint(request: Request) -> JsonReply:
            try:
                return JsonReply(await action(request), stopping)
            except ValueError as error:
                raise ApiError(400, str(error)) from error

        return Route(f"/_sim/{path}", endpoint, methods=[method])

    return [
        route("faults", "POST", add_fault),
        route("faults", "DELETE", clear_faults),
        route("faults", "GET", show_faults),
        route("kill", "POST", kill),
        route("revive", "POST", revive),
        route("log", "GET", show_log),
        route("log/reset", "POST", reset_log),
        route("health", "GET", health),
    ]


async def _read(request: Request) -> dict[str, Any]:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_CONTROL_BYTES:
            raise ApiError(413, f"The request body is larger than {MAX_CONTROL_BYTES} bytes.")
    return decode_object(body)
