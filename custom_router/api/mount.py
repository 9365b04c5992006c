"""All routes of the API together."""

from __future__ import annotations

from fastapi import APIRouter

from custom_router.api.decisions import DECISIONS, RECEIPT, STREAM, WHOAMI, build_decision_routes
from custom_router.api.explain import EXPLAIN, build_explain_route
from custom_router.api.visitor import Guards
from custom_router.cache_routes import FEEDBACK
from custom_router.receipts.preview import Deployed
from custom_router.runtime import Runtime

FOR_ANY_KEY = (FEEDBACK, WHOAMI, DECISIONS, STREAM, RECEIPT, EXPLAIN)
"""Routes that a virtual key may call; each looks for itself whose records are whose."""


def build_api(runtime: Runtime, guards: Guards, deployed: Deployed) -> APIRouter:
    """Every route but the cache's, health's and the metrics'. `deployed` knows the proxy's deployments."""
    routes = APIRouter()
    routes.include_router(build_decision_routes(runtime, guards))
    routes.include_router(build_explain_route(runtime, guards, deployed))
    return routes
