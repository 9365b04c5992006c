"""Errors in the shape OpenAI answers with."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """An error answer: HTTP `status` and OpenAI's `{"error": {message, type, param, code}}` body."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = {
            "error": {"message": message, "type": kind, "param": param, "code": code},
        }


def rate_limited() -> ApiError:
    """The 429 of the `rate_limit` fault; the caller adds `retry-after`."""
    return ApiError(429, "Simulated rate limit reached.", kind="rate_limit_error", code="rate_limit_exceeded")


def server_error() -> ApiError:
    """The 500 of the `error_500` fault."""
    return ApiError(500, "Simulated server error.", kind="server_error", code="internal_error")
