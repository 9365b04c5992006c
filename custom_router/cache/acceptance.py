"""From a cosine to the probability that one answer serves both questions, and the artifact that holds it. Pure."""

from __future__ import annotations

import json
import math
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

FORMAT: Literal[1] = 1
"""Version of the artifact's fields; a file of another one is refused."""
_LEAST_DISTANCE = 0.005
"""Cosines above 1 less this are alike: int8 vectors of one text differ by no more between processors."""

Finite = Annotated[float, Field(allow_inf_nan=False)]


class AcceptanceRefused(ValueError):
    """An artifact that cannot be used. The message says what is wrong, where, and the mend."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(_Frozen):
    """Where labelled pairs came from: those that no guard refused, and how many of them mean the same."""

    name: str
    pairs: int
    same: int
    refused: int
    """Pairs that a guard refused, and that the curve therefore does not describe."""


class Calibration(_Frozen):
    """A logistic curve over the cosine, and how surely it is known."""

    intercept: Finite
    slope: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    covariance: tuple[Finite, Finite, Finite]
    """Of intercept with itself, intercept with slope, slope with itself."""
    z: Annotated[float, Field(ge=0)]
    """Standard errors by which the probability is lowered: 1.645 gives its lower bound at 95 %."""
    sources: tuple[Source, ...]

    def p_same(self, cosine: float) -> float:
        """Lower bound of the probability that both questions have the same answer, given that no guard refused."""
        x = -math.log(max(1.0 - cosine, _LEAST_DISTANCE))
        var_0, cov, var_1 = self.covariance
        bound = self.intercept + self.slope * x - self.z * math.sqrt(max(var_0 + 2 * cov * x + var_1 * x * x, 0.0))
        return 1.0 / (1.0 + math.exp(-bound)) if bound > -700 else 0.0


class Acceptance(_Frozen):
    """One calibration for each encoder version: vectors of another one are never judged by it."""

    format: Literal[1] = FORMAT
    version: str
    language: str
    encoders: dict[str, Calibration]

    @classmethod
    @cache
    def shipped(cls) -> Acceptance:
        """The artifact that comes with the package."""
        return cls.load(Path(str(resources.files("custom_router") / "artifacts" / "cache.json")))

    @classmethod
    def load(cls, path: Path) -> Acceptance:
        """Read an artifact. Raises `AcceptanceRefused`."""
        try:
            return cls.model_validate(json.loads(path.read_bytes()))
        except OSError as error:
            raise AcceptanceRefused(f"{path}: {error.strerror or error}; write it with scripts/train_cache") from error
        except (ValueError, ValidationError, RecursionError) as error:
            raise AcceptanceRefused(f"{path}: is no cache artifact of format {FORMAT}: {error}") from error

    def save(self, path: Path) -> None:
        """Write the artifact as JSON. Raises OSError."""
        path.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")
