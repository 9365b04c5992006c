"""The `Encoder` seam: texts in, unit vectors out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]


class EncoderUnavailable(RuntimeError):
    """No usable encoder on this machine. The message says what, where and the mend."""


class Encoder(Protocol):
    """Turns texts into unit vectors.

    `version` names the weights *and* the arithmetic (for example `minilm-l6-v2/int8-pc`): anything fitted
    or stored on one version must not be read with another.
    """

    version: str
    dimension: int

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return float32 unit vectors (len(texts), dimension). Blocking; call it off the event loop."""
        ...
