"""The domain model: which domains a vector may belong to. NumPy only; fitted by `scripts/train_domains`."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from custom_router.encoder.base import Vectors

Array = npt.NDArray[np.floating[Any]]

FORMAT = 1
_ARRAYS = ("landmarks", "weights", "calibration")


class DomainModelRefused(RuntimeError):
    """The artifact cannot be used here: missing, damaged, or fitted on another encoder. The message has the mend."""


@dataclass(frozen=True)
class KernelHead:
    """One logistic regression a domain on Gaussian similarities to landmarks in vector space.

    `landmarks` (m, d); `weights` (m, k) for k domains; `calibration` (k, 2), intercept and slope, so that
    p = 1 / (1 + exp(-(intercept + slope * score))); `gamma` is the kernel's width: exp(-gamma * distance²).
    """

    landmarks: Array
    weights: Array
    calibration: Array
    gamma: float

    @cached_property
    def _squares(self) -> Array:
        return np.asarray((self.landmarks**2).sum(1))

    def scores(self, vectors: Vectors) -> Array:
        """Uncalibrated log-odds of vectors (n, d), shape (n, k)."""
        return np.asarray(gaussian(vectors, self.landmarks, self._squares, self.gamma) @ self.weights)

    def logits(self, vectors: Vectors) -> Array:
        """Calibrated log-odds of vectors (n, d), shape (n, k)."""
        return np.asarray(self.calibration[:, 0] + self.calibration[:, 1] * self.scores(vectors))

    def probabilities(self, vectors: Vectors) -> Array:
        """Calibrated probabilities of vectors (n, d), shape (n, k)."""
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(self.logits(vectors), -30.0, 30.0))))


def gaussian(vectors: Array, landmarks: Array, squares: Array, gamma: float) -> Array:
    """Similarities exp(-gamma * squared distance) of (n, d) to (m, d), shape (n, m).

    `squares` (m,) are the landmarks' squared lengths: working them out each time costs more than all the rest.
    """
    squared = (vectors**2).sum(1)[:, None] + squares[None, :] - 2.0 * vectors @ landmarks.T
    return np.asarray(np.exp(-gamma * np.maximum(squared, 0.0)))


class DomainModel:
    """Calibrated p(domain) for a request's vector. `metadata` holds sources, licences, counts and figures.

    Each probability weighs its domain against ordinary traffic, whatever the other domains say, and supposes that
    `metadata["prior"]` of the traffic is of that domain.
    """

    def __init__(self, head: KernelHead, metadata: dict[str, Any]) -> None:
        """Wrap loaded parts; `load` is the usual way in."""
        self.head = head
        self.metadata = metadata
        self.names: tuple[str, ...] = tuple(metadata["names"])

    @classmethod
    def load(cls, path: Path | None = None, *, encoder_version: str) -> DomainModel:
        """Read an artifact, by default the shipped one. Raises `DomainModelRefused`."""
        found = path or _shipped_path()
        try:
            with np.load(found, allow_pickle=False) as held:
                arrays = {name: held[name].astype(np.float32) for name in _ARRAYS}
                metadata: dict[str, Any] = json.loads(held["metadata"].item())
            head = KernelHead(**arrays, gamma=float(metadata["gamma"]))
            model = cls(head, metadata)
            fits = head.weights.shape == (len(head.landmarks), len(model.names)) and head.calibration.shape == (
                len(model.names),
                2,
            )
        except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
            raise DomainModelRefused(
                f"{found} is not a domain model ({type(error).__name__}: {error}). "
                "Write one with scripts/train_domains."
            ) from error
        if metadata.get("format") != FORMAT or not fits:
            raise DomainModelRefused(
                f"{found} was made by another release. Write a new one with scripts/train_domains."
            )
        if encoder_version not in metadata["encoders"]:
            raise DomainModelRefused(
                f"{found} was fitted on vectors of {' or '.join(metadata['encoders'])}, but {encoder_version} "
                "serves. Vectors of different encoders do not compare: load the matching encoder, or fit again "
                "with scripts/train_domains."
            )
        return model

    @staticmethod
    @cache
    def shipped() -> frozenset[str]:
        """Names of the domains that the shipped artifact knows. Reads its metadata only."""
        with np.load(_shipped_path(), allow_pickle=False) as held:
            return frozenset(json.loads(held["metadata"].item())["names"])

    def save(self, path: Path) -> None:
        """Write the artifact, metadata inside; landmarks in half precision. Pickles nothing."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            np.savez_compressed(
                file,
                landmarks=self.head.landmarks.astype(np.float16),
                weights=self.head.weights.astype(np.float32),
                calibration=self.head.calibration.astype(np.float32),
                metadata=np.array(json.dumps(self.metadata, sort_keys=True)),
            )

    def probabilities(self, vector: Vectors) -> dict[str, float]:
        """p of each domain for one unit vector of shape (d,). Raises `ValueError` for another shape."""
        if vector.shape != self.head.landmarks.shape[1:]:
            raise ValueError(
                f"the domain model needs a vector of shape {self.head.landmarks.shape[1:]}, not {vector.shape}"
            )
        (row,) = self.head.probabilities(vector[None, :])
        return dict(zip(self.names, row.tolist(), strict=True))


def _shipped_path() -> Path:
    return Path(str(resources.files("custom_router") / "artifacts" / "domains.npz"))
