"""Cost router for LiteLLM Proxy: each request is answered by the cheapest tier that is good enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from custom_router.decision import Decision
    from custom_router.engine import RouterEngine
    from custom_router.policy import Policy, PolicyError
    from custom_router.request import RequestView
    from custom_router.tiers import Tier

__all__ = ["Decision", "Policy", "PolicyError", "RequestView", "RouterEngine", "Tier"]

_HOMES = {
    "Decision": "custom_router.decision",
    "Policy": "custom_router.policy",
    "PolicyError": "custom_router.policy",
    "RequestView": "custom_router.request",
    "RouterEngine": "custom_router.engine",
    "Tier": "custom_router.tiers",
}


def __getattr__(name: str) -> Any:
    # Imported on first use, so that `tier-router --help` does not wait for ONNX Runtime.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
