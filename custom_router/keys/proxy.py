"""The proxy's own management API, as far as teams and keys need it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

_PAGE = 100


class ProxyRefused(RuntimeError):
    """The proxy could not be asked, or said no. The message never holds the request."""


class ProxyAdmin:
    """Lists and changes teams and keys with an admin key. Every method raises `ProxyRefused`."""

    def __init__(self, url: str, admin_key: str) -> None:
        headers = {"Authorization": f"Bearer {admin_key}"}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=30)

    def __enter__(self) -> ProxyAdmin:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def teams(self) -> list[dict[str, Any]]:
        """Every team."""
        found: list[dict[str, Any]] = self._call("GET", "/team/list")
        return found

    def keys(self) -> list[dict[str, Any]]:
        """Every virtual key, without the key itself: `token` is its hash."""
        found: list[dict[str, Any]] = []
        page = 1
        while True:
            asked = {"page": page, "size": _PAGE, "return_full_object": True, "include_team_keys": True}
            got = self._call("GET", "/key/list", params=asked)
            found += got["keys"]
            if page >= int(got.get("total_pages") or 1):
                return found
            page += 1

    def send(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """One change."""
        answer: dict[str, Any] = self._call("POST", path, json=dict(body))
        return answer

    def _call(self, method: str, path: str, **options: Any) -> Any:
        try:
            response = self._http.request(method, path, **options)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ProxyRefused(f"{self._http.base_url} does not answer: {error or type(error).__name__}") from error
        if response.status_code != 200:
            raise ProxyRefused(f"{method} {path}: {response.status_code} {_said(response)}")
        try:
            return response.json()
        except ValueError as error:
            raise ProxyRefused(f"{method} {path} answers no JSON: is that the proxy's address?") from error


def _said(response: httpx.Response) -> str:
    try:
        error = response.json().get("error") or response.json().get("detail")
    except (ValueError, AttributeError):
        return ""
    told = error.get("message") or error.get("error") if isinstance(error, dict) else error
    return " ".join(str(told or "").split())[:300]
