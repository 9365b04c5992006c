"""Any sentence-transformers model behind the `Encoder` seam (extra `transformers`; brings torch)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from custom_router.encoder.base import EncoderUnavailable, Vectors


class SentenceTransformerEncoder:
    """Encodes with a sentence-transformers model on the CPU or whichever device that library picks.

    Raises `EncoderUnavailable` when the extra is not installed. `version` carries the model's name only: pin
    the revision with a local folder if the hub's copy may change under you.
    """

    def __init__(self, model: str = "sentence-transformers/all-MiniLM-L6-v2") -> None:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise EncoderUnavailable(
                "sentence-transformers is not installed, and this encoder runs on it. "
                "Install the extra: pip install 'litellm-tier-router[transformers]'"
            ) from error
        self._model = SentenceTransformer(model)
        self.dimension = int(self._model.get_sentence_embedding_dimension())
        self.version = f"sentence-transformers/{model}"

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return float32 unit vectors of shape (len(texts), dimension). Blocking."""
        if not texts:
            return np.zeros((0, self.dimension), np.float32)
        vectors = self._model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(vectors, np.float32)
