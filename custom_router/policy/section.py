"""What every section of the policy file shares."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

# Strict, because `false` would otherwise be read as 0, a threshold that everything passes.
Probability = Annotated[float, Field(ge=0.0, le=1.0, strict=True)]


class Section(BaseModel):
    """A part of the policy file: frozen, without unknown keys, its docstrings the editor's help."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)
