"""`GET /router/` and its assets: open to everybody, since they hold no data. The page asks for a key and sends it to
the API, which decides what that key may see."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from custom_router.console.assets import INDEX, Asset, load_assets

HEADERS = {
    # Nothing inline, nothing from elsewhere, no form that is sent: a prompt that holds a script stays text.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Kept by the browser, and asked for again: an upgrade is seen at once.
    "Cache-Control": "no-cache",
}


def build_console_routes() -> APIRouter:
    """The console under `/router/`. Its URLs are relative, so that a proxy with a root path serves it too."""
    assets = load_assets()
    index = assets.pop(INDEX)
    routes = APIRouter(prefix="/router", include_in_schema=False)

    @routes.get("")
    async def without_slash() -> Response:
        return RedirectResponse("router/", 308, HEADERS)

    @routes.api_route("/", methods=["GET", "HEAD"])
    async def page(request: Request) -> Response:
        return _served(index, request)

    @routes.api_route("/assets/{path:path}", methods=["GET", "HEAD"])
    async def asset(path: str, request: Request) -> Response:
        if (found := assets.get(path)) is None:
            raise HTTPException(404, "no such file")
        return _served(found, request)

    return routes


def _served(asset: Asset, request: Request) -> Response:
    headers = {**HEADERS, "ETag": asset.etag}
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if asset.etag in known:
        return Response(status_code=304, headers=headers)
    return Response(asset.content, media_type=asset.media_type, headers=headers)
