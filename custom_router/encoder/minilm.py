"""The default encoder: all-MiniLM-L6-v2 on ONNX Runtime."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from custom_router.encoder import source
from custom_router.encoder.base import Vectors
from custom_router.encoder.model_cache import MODEL, PROBES, ConvertedModel, Precision, obtain
from custom_router.encoder.session import DIMENSION, MiniLMSession

logger = logging.getLogger(__name__)

VERSIONS: dict[Precision, str] = {"int8": f"{MODEL}/int8-pc", "fp32": f"{MODEL}/fp32"}

# Cosine of int8 against fp32 on the probes, below which this CPU's int8 arithmetic is not trusted.
MEAN_FLOOR = 0.985
MIN_FLOOR = 0.96


class MiniLMEncoder:
    """all-MiniLM-L6-v2: 384 dimensions, at most 256 tokens, one text at a time on one thread.

    Texts are never batched: an int8 vector depends on what shares its batch, and one text must always give
    the same vector. Threads may share an encoder.
    """

    dimension = DIMENSION

    def __init__(self, session: MiniLMSession, version: str) -> None:
        """Wrap a ready session; `load` is the usual way in."""
        self.version = version
        self._session = session

    @classmethod
    def load(cls, cache_dir: Path | None = None, precision: Precision = "int8") -> MiniLMEncoder:
        """Find the weights, convert them once, check them and load them.

        `cache_dir` defaults to `$TIER_ROUTER_CACHE` or the platform's cache folder. int8 is compared with
        fp32 on built-in sentences first; where this CPU's int8 arithmetic disagrees, fp32 serves instead,
        with a warning, and `version` says so. Raises `EncoderUnavailable`.
        """
        root = cache_dir or source.default_cache_root()
        converted = obtain(root, precision)
        session = MiniLMSession(converted.model, converted.tokenizer)
        if precision == "int8":
            mean, least = agreement(session, converted)
            if mean < MEAN_FLOOR or least < MIN_FLOOR:
                logger.warning(
                    "int8 vectors disagree with fp32 on this CPU (cosine mean %.4f, least %.4f; floors %.3f, "
                    "%.3f): using fp32, which is slower and is another encoder version",
                    mean, least, MEAN_FLOOR, MIN_FLOOR,
                )  # fmt: skip
                return cls.load(root, "fp32")
        return cls(session, VERSIONS[precision])

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return float32 unit vectors of shape (len(texts), 384). Blocking; call it off the event loop."""
        vectors = np.empty((len(texts), DIMENSION), np.float32)
        for row, text in enumerate(texts):
            vectors[row] = self._session.vector(text)
        return vectors


def agreement(session: MiniLMSession, converted: ConvertedModel) -> tuple[float, float]:
    """Mean and least cosine between the session's vectors of the probe sentences and the stored fp32 ones."""
    vectors = np.stack([session.vector(probe) for probe in PROBES])
    cosines = np.sum(vectors * converted.reference, axis=1)
    return float(cosines.mean()), float(cosines.min())
