"""What knows LiteLLM: its request data, its events, its router, its process. Checked against 1.106.

Nothing outside this package imports LiteLLM (the hook files, which LiteLLM loads, apart). Hook files stay short by
handing everything here; what is here stays short by handing it to `Runtime`.
"""

from custom_router.litellm_adapter.adapter import LiteLLMAdapter
from custom_router.litellm_adapter.deployments import model_facts
from custom_router.litellm_adapter.process import connect

__all__ = ["LiteLLMAdapter", "connect", "model_facts"]
