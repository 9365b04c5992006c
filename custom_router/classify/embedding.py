"""The default classifier: a small linear head on the static vector and surface features. NumPy only."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from custom_router.classify.asides import without_asides
from custom_router.classify.base import Scores, Vector
from custom_router.classify.features import NAMES, surface_features
from custom_router.classify.intents import IntentModel
from custom_router.classify.typicality import Typicality
from custom_router.request import ENCODED_CHARS, RequestView
from custom_router.tiers import Tier

Array = npt.NDArray[np.float32]

FORMAT = 1
DIMENSION = 384
_CLIP = 3.0


class HeadRefused(RuntimeError):
    """The artifact cannot be used here: missing, damaged, or made for another encoder or feature set."""


@dataclass(frozen=True)
class Head:
    """A linear difficulty score and its calibration.

    `vector_weights` (384,), `feature_weights`, `feature_mean`, `feature_scale` (len(NAMES),). `calibration` (2, 2)
    holds intercept and slope for simple and medium: p_ok = 1 / (1 + exp(-(intercept - slope * difficulty))), with
    slopes of zero or more.
    """

    vector_weights: Array
    feature_weights: Array
    feature_mean: Array
    feature_scale: Array
    calibration: Array

    def standardise(self, features: Array) -> Array:
        """Features centred and scaled on training prompts, unusual values clipped; any shape (..., len(NAMES))."""
        return np.asarray(np.clip((features - self.feature_mean) / self.feature_scale, -_CLIP, _CLIP), np.float32)

    def difficulty(self, vectors: Array, features: Array) -> Array:
        """Unitless difficulty of each row: (..., 384) and (..., len(NAMES)) to (...)."""
        return np.asarray(vectors @ self.vector_weights + self.standardise(features) @ self.feature_weights, np.float32)

    def p_ok(self, difficulty: Array) -> Array:
        """Probabilities for simple and medium, (..., 2); medium is never below simple."""
        logits = self.calibration[:, 0] - self.calibration[:, 1] * np.asarray(difficulty)[..., None]
        p = 1.0 / (1.0 + np.exp(-np.clip(logits, -30.0, 30.0)))
        return np.asarray(np.maximum.accumulate(p, axis=-1), np.float32)


class EmbeddingClassifier:
    """Scores a request with a trained head; `metadata` says what it was trained on and how well it does."""

    needs_vector = True

    def __init__(
        self, head: Head, typicality: Typicality, metadata: dict[str, Any], intents: IntentModel | None = None
    ) -> None:
        """Wrap loaded parts; `load` is the usual way in. Without `intents`, scores name none."""
        self.version = f"embedding/{metadata['version']}"
        self.metadata = metadata
        self.head = head
        self.typicality = typicality
        self.intents = intents

    @classmethod
    def load(
        cls, path: Path | None = None, *, encoder_version: str, intents: IntentModel | None = None
    ) -> EmbeddingClassifier:
        """Read a head artifact, by default the shipped one. Raises `HeadRefused`, saying why and the mend."""
        found = path or Path(str(resources.files("custom_router") / "artifacts" / "head.npz"))
        try:
            with np.load(found, allow_pickle=False) as held:
                arrays = {name: held[name] for name in held.files}
            metadata: dict[str, Any] = json.loads(arrays["metadata"].item())
            head = Head(**{name: arrays[name] for name in _HEAD_ARRAYS})
            typicality = Typicality.from_arrays(arrays)
        except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise HeadRefused(
                f"{found} is not a head artifact ({type(error).__name__}: {error}). Write one with scripts/train_head."
            ) from error
        _check(found, metadata, encoder_version)
        return cls(head, typicality, metadata, intents)

    def save(self, path: Path) -> None:
        """Write the artifact, metadata inside; pickles nothing."""
        arrays: dict[str, Any] = {name: getattr(self.head, name) for name in _HEAD_ARRAYS}
        arrays |= self.typicality.arrays()
        path.parent.mkdir(parents=True, exist_ok=True)
        text = np.array(json.dumps(self.metadata, sort_keys=True))
        with path.open("wb") as file:
            np.savez_compressed(file, metadata=text, **arrays)

    def score(self, view: RequestView, vector: Vector | None) -> Scores:
        """Score one request; where it also says what is no part of its task, by the harder reading of the two.

        Raises `ValueError` without a vector of shape (384,).
        """
        if vector is None or vector.shape != (DIMENSION,):
            raise ValueError(f"the embedding classifier needs a vector of shape ({DIMENSION},)")
        features = surface_features(view)
        difficulty = self.head.difficulty(vector, features)
        if self.intents and (plain := without_asides(view.text)) != view.text:
            bare = RequestView.from_chat({"messages": [{"role": "user", "content": plain}]})
            shown = surface_features(bare)
            difficulty = np.maximum(difficulty, self.head.difficulty(self.intents.encode([bare.bounded])[0], shown))
        simple, medium = self.head.p_ok(difficulty).tolist()
        return Scores(
            p_ok={Tier.SIMPLE: simple, Tier.MEDIUM: medium, Tier.FRONTIER: 1.0},
            ood=self.typicality.score(view, vector),
            source=self.version,
            intent=self.intents.recognise(view, vector, features) if self.intents else None,
        )

    def ood(self, view: RequestView, vector: Vector, scores: Scores) -> float:
        """The out-of-distribution score, from `scores` where they are this classifier's own."""
        return scores.ood if scores.source == self.version else self.typicality.score(view, vector)


_HEAD_ARRAYS = ("vector_weights", "feature_weights", "feature_mean", "feature_scale", "calibration")


def _check(path: Path, metadata: dict[str, Any], encoder_version: str) -> None:
    made_for = metadata.get("format"), tuple(metadata.get("features", ())), metadata.get("encoded_chars")
    if made_for != (FORMAT, NAMES, ENCODED_CHARS):
        raise HeadRefused(
            f"{path} was made by another release (format, features or the length of the encoded view differ). "
            "Train it again with scripts/train_head."
        )
    if metadata.get("encoder") != encoder_version:
        raise HeadRefused(
            f"{path} was trained on vectors of {metadata.get('encoder')}, but {encoder_version} serves. Vectors of "
            "different encoders do not compare: load the matching encoder, or train again with scripts/train_head."
        )
