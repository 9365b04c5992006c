"""LiteLLM callback: the confidence gate, headers, records. In litellm_config.yaml:
`callbacks: [hooks.post_call.handler]`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from litellm.integrations.custom_logger import CustomLogger

from custom_router.litellm_adapter import connect

_adapter = connect(__file__)


class PostCall(CustomLogger):
    """Judges a cheap answer, tells the caller what was decided, and completes the decision record.

    LiteLLM runs a hook only when it is defined on the registered class itself.
    """

    async def async_pre_call_deployment_hook(self, kwargs: dict[str, Any], call_type: Any) -> dict[str, Any] | None:
        """Called for each deployment that is tried: the last look at the caller's cap; log probabilities are asked for
        where the gate will read them."""
        return _adapter.before_deployment(kwargs, call_type)

    async def async_post_call_failure_deployment_hook(
        self, request_data: Mapping[str, Any], exception: Exception, call_type: Any, fallback_depth: int | None = None
    ) -> None:
        """Called for each deployment that failed."""
        _adapter.deployment_failed(request_data, exception)

    async def async_post_call_success_hook(self, data: dict[str, Any], user_api_key_dict: Any, response: Any) -> Any:
        """Called for a whole response before the client gets it: the gate, which may put another in its place."""
        return await _adapter.answered(data, user_api_key_dict, response)

    async def async_post_call_streaming_iterator_hook(
        self, user_api_key_dict: Any, response: Any, request_data: dict[str, Any]
    ) -> AsyncIterator[Any]:
        """Called for a stream: the gate, which may hold it, replay it or put another in its place."""
        async for event in _adapter.stream(request_data, user_api_key_dict, response):
            yield event

    async def async_post_call_response_headers_hook(
        self,
        data: dict[str, Any],
        user_api_key_dict: Any,
        response: Any,
        request_headers: dict[str, str] | None = None,
        litellm_call_info: dict[str, Any] | None = None,
    ) -> dict[str, str] | None:
        """Called before the first byte of every response, streamed or not, answered or failed."""
        return _adapter.response_headers(data, response, litellm_call_info)

    async def async_post_call_failure_hook(
        self,
        request_data: dict[str, Any],
        original_exception: Exception,
        user_api_key_dict: Any,
        traceback_str: str | None = None,
    ) -> None:
        """Called once for a request whose client gets an error, not for attempts that a fallback mended."""
        _adapter.failed(request_data, original_exception)

    async def async_logging_hook(
        self, kwargs: dict[str, Any], result: Any, call_type: str
    ) -> tuple[dict[str, Any], Any]:
        """Called once for an answered request, before any logger, so that all of them see the finished record."""
        await _adapter.succeeded(kwargs, kwargs.get("start_time"))
        return kwargs, result


handler = PostCall()
