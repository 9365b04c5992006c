"""LiteLLM's own complexity scorer, as a baseline for evaluations."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt


def complexity_scores(texts: Iterable[str]) -> npt.NDArray[np.float64]:
    """Its raw weighted score of each text (n,), higher for more complex, with its shipped settings."""
    from litellm import Router
    from litellm.router_strategy.complexity_router.complexity_router import ComplexityRouter

    scorer = ComplexityRouter("complexity", Router(model_list=[]))
    return np.array([scorer.classify(text)[1] for text in texts], np.float64)
