"""All routes of the API together."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Response

from custom_router.api.decisions import DECISIONS, RECEIPT, STREAM, WHOAMI, build_decision_routes
from custom_router.api.visitor import PRIVATE, Guards
from custom_router.cache_routes import FEEDBACK
from custom_router.runtime import Runtime

FOR_ANY_KEY = (FEEDBACK, WHOAMI, DECISIONS, STREAM, RECEIPT)
"""Routes that a virtual key may call; each looks for itself whose records are whose."""


def build_api(runtime: Runtime, guards: Guards) -> APIRouter:
    """Every route under `/router/api` but the cache's."""
    routes = APIRouter(dependencies=[Depends(_private)])
    routes.include_router(build_decision_routes(runtime, guards))
    return routes


async def _private(response: Response) -> None:
    """What is answered is for the one who asked, and nothing but data, whatever text of a prompt it holds."""
    response.headers.update(PRIVATE)
