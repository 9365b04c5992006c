"""Cost router for LiteLLM Proxy."""
