"""The domain screen: from static token embeddings, whether the domain model could reach a domain's threshold.

It stands in for the sentence encoder only where it rules a domain out: it never flags one.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]

FORMAT = 1
WINDOW = 3
LEAST_TOKENS = 3
"""A text of fewer tokens shows too little to rule anything out."""
UNTYPICAL = 0.99
"""From this out-of-distribution score on, a text is like none that the screen was fitted on: another script or
language, gibberish, a blob."""
_ARRAYS = ("window_weights", "window_bias", "pooled_weights", "pooled_bias", "out_weights", "out_bias")


class ScreenRefused(RuntimeError):
    """The artifact cannot be used here: missing, damaged, or fitted for other models. The message has the mend."""


@dataclass(frozen=True)
class WindowNetwork:
    """One hidden unit looks at three neighbouring tokens; over a text, its highest and its mean value count.

    `window_weights` (d, 3 * h) for token embeddings of d dimensions, h units and the places before, at and after;
    `window_bias` (h,); `pooled_weights` (2 * h, m), `pooled_bias` (m,); `out_weights` (m, k), `out_bias` (k,) for k
    domains. The highest value is there because one word of law in a long prompt is lost in a mean.
    """

    window_weights: Array
    window_bias: Array
    pooled_weights: Array
    pooled_bias: Array
    out_weights: Array
    out_bias: Array

    def logits(self, embeddings: Array) -> Array:
        """Predicted logit of each domain (k,) for the token embeddings (n, d) of one text, n at least 1."""
        units = len(self.window_bias)
        parts = embeddings @ self.window_weights
        seen = parts[:, units : 2 * units] + self.window_bias
        seen[1:] += parts[:-1, :units]
        seen[:-1] += parts[1:, 2 * units :]
        np.maximum(seen, 0.0, out=seen)
        pooled = np.concatenate([seen.max(axis=0), seen.mean(axis=0)])
        hidden = np.maximum(pooled @ self.pooled_weights + self.pooled_bias, 0.0)
        return np.asarray(hidden @ self.out_weights + self.out_bias)


class DomainScreen:
    """Says which domains the domain model need not be asked about. `metadata` holds sources, margins and figures."""

    def __init__(self, network: WindowNetwork, metadata: dict[str, Any]) -> None:
        """Wrap loaded parts; `load` is the usual way in."""
        self.network = network
        self.metadata = metadata
        self.names: tuple[str, ...] = tuple(metadata["names"])
        self._margins: dict[str, float] = metadata["margins"]

    @classmethod
    def load(cls, path: Path | None = None, *, static_version: str, encoder_version: str) -> DomainScreen:
        """Read an artifact, by default the shipped one. Raises `ScreenRefused`."""
        found = path or Path(str(resources.files("custom_router") / "artifacts" / "domain_screen.npz"))
        try:
            with np.load(found, allow_pickle=False) as held:
                arrays = {name: held[name].astype(np.float32) for name in _ARRAYS}
                metadata: dict[str, Any] = json.loads(held["metadata"].item())
            screen = cls(WindowNetwork(**arrays), metadata)
            fits = screen._fits()
        except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
            raise ScreenRefused(
                f"{found} is not a domain screen ({type(error).__name__}: {error}). "
                "Write one with scripts/train_screen."
            ) from error
        if metadata.get("format") != FORMAT or not fits:
            raise ScreenRefused(f"{found} was made by another release. Write a new one with scripts/train_screen.")
        if static_version != metadata["static"] or encoder_version not in metadata["encoders"]:
            raise ScreenRefused(
                f"{found} was fitted on {metadata['static']} for the domain model on {metadata['encoders']}, but "
                f"{static_version} and {encoder_version} serve. Fit again with scripts/train_screen."
            )
        return screen

    def save(self, path: Path) -> None:
        """Write the artifact, metadata inside; pickles nothing."""
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Any] = {name: getattr(self.network, name).astype(np.float16) for name in _ARRAYS}
        with path.open("wb") as file:
            np.savez_compressed(file, metadata=np.array(json.dumps(self.metadata, sort_keys=True)), **arrays)

    def logits(self, embeddings: Array) -> dict[str, float]:
        """What the domain model is expected to say of each domain, in logits, from token embeddings (n, d)."""
        return dict(zip(self.names, self.network.logits(embeddings).tolist(), strict=True))

    def could_match(self, embeddings: Array, ood: float, thresholds: Mapping[str, float]) -> bool:
        """Whether the domain model could reach one of the `thresholds` (probabilities by domain).

        `embeddings` (n, d) are the text's tokens, `ood` is its out-of-distribution score. It could wherever the
        screen cannot judge: a short or untypical text, an unknown domain, a prediction that is no number.
        """
        if len(embeddings) < LEAST_TOKENS or not ood < UNTYPICAL:
            return True
        expected = self.logits(embeddings)
        for name, threshold in thresholds.items():
            known = expected.get(name)
            if known is None or not known + self._margins[name] < _logit(threshold):
                return True
        return False

    def _fits(self) -> bool:
        network, k = self.network, len(self.names)
        h, m = len(network.window_bias), len(network.pooled_bias)
        return (
            network.window_weights.shape[1:] == (WINDOW * h,)
            and network.pooled_weights.shape == (2 * h, m)
            and network.out_weights.shape == (m, k)
            and network.out_bias.shape == (k,)
            and set(self._margins) == set(self.names)
        )


def _logit(p: float) -> float:
    if p <= 0.0:
        return -math.inf
    return math.inf if p >= 1.0 else math.log(p / (1.0 - p))
