"""LiteLLM's own Auto Router with this product's decision: `classifier_plugin: hooks.auto_router.classifier`.

For teams that keep LiteLLM's router and want only the tier from here; see docs/auto-router.md for the whole entry.
"""

from __future__ import annotations

from typing import Any

from custom_router.litellm_adapter import connect

_adapter = connect(__file__)


class TierClassifier:
    """Implements LiteLLM's `ClassifierPlugin`."""

    async def classify(self, context: Any) -> str | None:
        """Name of the tier (`simple`, `medium`, `frontier`); None lets `classifier_fallback` decide."""
        return await _adapter.classify(context)


classifier = TierClassifier()
