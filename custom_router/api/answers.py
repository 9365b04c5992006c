"""How every route of the API answers: data for the one who asked, whatever text of a prompt it holds."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

PRIVATE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def told(content: Any, status: int = 200) -> Response:
    """JSON as it is: FastAPI's own way walks through every value first, which a page of records is too long for."""
    body = orjson.dumps(content)
    return Response(body, status, PRIVATE, "application/json")


class _Route(APIRoute):
    """Says what was wrong with a request without repeating it: it may hold a prompt, and what is no text at all."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                response = await handle(request)
            except RequestValidationError as error:
                wrong = [{"loc": list(each["loc"]), "msg": each["msg"]} for each in error.errors()]
                return told({"detail": wrong}, 422)
            except HTTPException as error:
                error.headers = {**PRIVATE, **(error.headers or {})}
                raise
            response.headers.update(PRIVATE)
            return response

        return answer


def api_routes() -> APIRouter:
    """A router whose routes answer this way."""
    return APIRouter(tags=["router"], route_class=_Route)
