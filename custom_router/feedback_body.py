"""What a caller may say of an answer, as `POST /router/feedback` takes it."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

MAX_TAGS = 10
TAG_CHARS = 40
_MARKS = " ._:/-"


def _plain(tag: str) -> str:
    """A tag that a terminal and a spreadsheet show as it is: no control characters, no formula. Raises `ValueError`."""
    tag = tag.strip()
    odd = [char for char in tag if char not in _MARKS and unicodedata.category(char)[0] not in "LMN"]
    if odd or not tag or not tag[0].isalnum():
        raise ValueError(f"a tag begins with a letter or digit and holds letters, digits, blanks and {_MARKS.strip()}")
    return tag


Tag = Annotated[str, Field(max_length=TAG_CHARS), AfterValidator(_plain)]


class Feedback(BaseModel):
    """What a caller thinks of the answer to one of its requests.

    No free text: it would be a way for prompts into the records that `records.log_text` does not govern.
    """

    model_config = ConfigDict(extra="forbid")

    request_id: str = Field(min_length=1, max_length=64)
    score: float | None = Field(default=None, ge=-1, le=1, allow_inf_nan=False)
    label: Literal["good", "bad"] | None = None
    tags: list[Tag] = Field(default_factory=list, max_length=MAX_TAGS)

    @model_validator(mode="after")
    def _says_one_thing(self) -> Feedback:
        if self.score is None and self.label is None:
            raise ValueError("give a score from -1 to 1, or a label")
        if self.score is not None and self.label is not None and self.score * _VALUE[self.label] < 0:
            raise ValueError(f"the score {self.score:g} and the label {self.label!r} contradict each other")
        return self

    @property
    def value(self) -> float:
        """-1 to 1: the score, or the label's."""
        return self.score if self.score is not None else _VALUE[self.label or "good"]


_VALUE = {"good": 1.0, "bad": -1.0}
