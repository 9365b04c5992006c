"""LiteLLM callback: choose the tier before the call. In litellm_config.yaml: `callbacks: [hooks.pre_call.handler]`."""

from __future__ import annotations

from typing import Any

from litellm.integrations.custom_logger import CustomLogger

from custom_router.litellm_adapter import connect

_adapter = connect(__file__)


class PreCall(CustomLogger):
    """Rewrites `model: auto` to the model group of the cheapest tier that is good enough."""

    async def async_pre_call_hook(
        self, user_api_key_dict: Any, cache: Any, data: dict[str, Any], call_type: str
    ) -> Any:
        """LiteLLM calls this after authentication and budgets, before its router."""
        return await _adapter.pre_call(data, user_api_key_dict, call_type)


handler = PreCall()
