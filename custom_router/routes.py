"""HTTP routes that the router adds to the proxy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Depends, Response
from prometheus_client import CONTENT_TYPE_LATEST

from custom_router.metrics import exposition
from custom_router.runtime import Runtime


def build_routes(runtime: Runtime, admin_only: Callable[..., Any]) -> APIRouter:
    """Routes under `/router`. `admin_only` is a FastAPI dependency that refuses anyone but an admin."""
    routes = APIRouter(prefix="/router", tags=["router"], dependencies=[Depends(admin_only)])

    @routes.get("/health")
    async def health() -> dict[str, Any]:
        """State of the policy, the encoder and the record sink."""
        return runtime.health()

    @routes.get("/metrics")
    async def metrics() -> Response:
        """Every metric of the process, or of all workers where `PROMETHEUS_MULTIPROC_DIR` is set."""
        return Response(exposition(), media_type=CONTENT_TYPE_LATEST)

    return routes
