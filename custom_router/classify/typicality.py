"""How unlike the training prompts a request is: distance, language and length, as one share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custom_router.classify.base import Vector
from custom_router.classify.features import character_kinds, code_points, is_letter
from custom_router.languages import foreign
from custom_router.request import RequestView

Array = npt.NDArray[np.float32]

_LETTER_CHARS = 400
_BETWEEN, _FOREIGN = 26, 27
KINDS = 28
"""Letter kinds a..z, anything between words, and letters that plain English does not use."""
_PRIOR_PAIRS = 15.0


_LETTER = np.array([ord(c) - ord("a") if c.isalpha() else _BETWEEN for c in map(str.lower, map(chr, range(128)))])


def letter_pairs(text: str) -> npt.NDArray[np.intp]:
    """Neighbouring letter kinds of the first 400 characters, as indices into a flat (KINDS * KINDS) table."""
    codes = code_points(text[:_LETTER_CHARS])
    kinds = _LETTER[np.minimum(codes, 127)]
    beyond = np.flatnonzero(codes > 127)
    if len(beyond):
        kinds[beyond] = np.where(is_letter(character_kinds(codes[beyond])), _FOREIGN, _BETWEEN)
    return np.asarray(kinds[:-1] * KINDS + kinds[1:], np.intp)


@dataclass(frozen=True)
class Typicality:
    """What typical prompts look like.

    `centroids` (k, 384) unit vectors; `surprise` (KINDS * KINDS,) nats of a letter pair given its first letter;
    `usual_surprise` its mean over training; `centre` and `spread` (3,) put distance, surprise and log length on
    one scale; `quantiles` (q,) rising: the combined value of training prompts, each judged without its own source.
    """

    centroids: Array
    surprise: Array
    usual_surprise: float
    centre: Array
    spread: Array
    quantiles: Array

    def components(self, view: RequestView, vector: Vector) -> Array:
        """Distance to the nearest centroid (0..2), letter surprise (nats), log length: raw, shape (3,)."""
        pairs = letter_pairs(view.text.strip())
        total = float(self.surprise[pairs].sum()) + _PRIOR_PAIRS * self.usual_surprise
        nearest = float((self.centroids @ vector).max())
        return np.array([1.0 - nearest, total / (len(pairs) + _PRIOR_PAIRS), math.log1p(len(view.text))], np.float32)

    def combine(self, components: Array) -> Array:
        """The most unusual component in units of its spread; (..., 3) to (...)."""
        return np.asarray(((components - self.centre) / self.spread).max(axis=-1), np.float32)

    def score(self, view: RequestView, vector: Vector) -> float:
        """Share of training prompts that are more typical, 0..1; 1 for another language, which none of them is in."""
        if foreign(view.text.strip()):
            return 1.0
        combined = self.combine(self.components(view, vector))
        return float(np.searchsorted(self.quantiles, combined) / len(self.quantiles))

    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """For saving; `from_arrays` reads them back."""
        return {
            "centroids": np.round(self.centroids * 127).astype(np.int8),
            "surprise": self.surprise.astype(np.float16),
            "usual_surprise": np.array(self.usual_surprise, np.float32),
            "centre": self.centre,
            "spread": self.spread,
            "quantiles": self.quantiles,
        }

    @classmethod
    def from_arrays(cls, held: Mapping[str, npt.NDArray[np.generic]]) -> Typicality:
        """Read what `arrays` gave."""
        centroids = held["centroids"].astype(np.float32)
        centroids /= np.linalg.norm(centroids, axis=1, keepdims=True)
        return cls(
            centroids=centroids,
            surprise=held["surprise"].astype(np.float32),
            usual_surprise=float(held["usual_surprise"]),
            centre=held["centre"].astype(np.float32),
            spread=held["spread"].astype(np.float32),
            quantiles=held["quantiles"].astype(np.float32),
        )
