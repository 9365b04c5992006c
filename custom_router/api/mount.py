"""All routes of the API together."""

from __future__ import annotations

from fastapi import APIRouter

from custom_router.api.cache import FEEDBACK, build_cache_routes
from custom_router.api.decisions import DECISIONS, RECEIPT, STREAM, WHOAMI, build_decision_routes
from custom_router.api.explain import EXPLAIN, build_explain_route
from custom_router.api.health import build_health_routes
from custom_router.api.overview import build_overview_routes
from custom_router.api.policy import build_policy_routes
from custom_router.api.report_child import ReportChild
from custom_router.api.visitor import Guards
from custom_router.policy.history import PolicyHistory
from custom_router.receipts.archive import Archive
from custom_router.receipts.preview import Deployed
from custom_router.runtime import Runtime

FOR_ANY_KEY = (FEEDBACK, WHOAMI, DECISIONS, STREAM, RECEIPT, EXPLAIN)
"""Routes that a virtual key may call; each looks for itself whose records are whose."""


def build_api(runtime: Runtime, guards: Guards, deployed: Deployed) -> APIRouter:
    """Every route but the console's. `deployed` knows the proxy's deployments."""
    routes, archive = APIRouter(), Archive(runtime)
    routes.include_router(build_health_routes(runtime, guards))
    routes.include_router(build_cache_routes(runtime, guards))
    routes.include_router(build_decision_routes(runtime, guards, archive))
    routes.include_router(build_explain_route(runtime, guards, deployed))
    history = PolicyHistory(archive.directory / "policy")
    routes.include_router(build_policy_routes(runtime, guards, deployed, history))
    routes.include_router(build_overview_routes(runtime, guards, ReportChild(archive.directory)))
    return routes
