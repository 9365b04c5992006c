"""LiteLLM provider that answers with stored answers. In litellm_config.yaml:
`custom_provider_map: [{provider: tier-router-cache, custom_handler: hooks.cache_hit.handler}]`."""

from __future__ import annotations

from custom_router.litellm_adapter import connect

handler = connect(__file__).stored_answers
