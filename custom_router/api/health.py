"""Routes for whoever keeps the proxy running: the state of every part, and the metrics."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Response
from prometheus_client import CONTENT_TYPE_LATEST

from custom_router.api.answers import api_routes, told
from custom_router.api.visitor import Guards
from custom_router.metrics import exposition
from custom_router.runtime import Runtime


def build_health_routes(runtime: Runtime, guards: Guards) -> APIRouter:
    """For administrators."""
    routes, admin = api_routes(), [Depends(guards.admin)]

    @routes.get("/router/health", dependencies=admin)
    async def health() -> Response:
        """State of the policy, the encoder and the record sink."""
        return told(runtime.health())

    @routes.get("/router/metrics", dependencies=admin)
    def metrics() -> Response:
        """Every metric of the process, or of all workers where `PROMETHEUS_MULTIPROC_DIR` is set."""
        # In a thread: reading every worker's file would hold the loop for tens of milliseconds.
        return Response(exposition(), media_type=CONTENT_TYPE_LATEST)

    return routes
