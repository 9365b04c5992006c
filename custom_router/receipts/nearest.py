"""Which of the examples that ship with this package a prompt is most like, as the classifier reads it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
import numpy.typing as npt
import yaml

from custom_router.classify.intents import shipped_examples
from custom_router.encoder import StaticEncoder

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Example:
    """A text written by the authors and what it stands for: `kind` is `intent`, `domain` (training) or `domain_test`,
    `label` the intent or the domain, `none` for a text that only looks like one."""

    kind: str
    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Near:
    """An example and the cosine of its static vector with the prompt's."""

    kind: str
    label: str
    text: str
    similarity: float


@cache
def examples() -> tuple[Example, ...]:
    """Every example that ships. Rows of evaluation data do not."""
    intents = (Example("intent", name, text) for name, texts in shipped_examples().items() for text in texts)
    return (*intents, *_domains("domain", "learn/domain_seeds.yaml"), *_domains("domain_test", "domains/examples.yaml"))


def _domains(kind: str, file: str) -> Iterator[Example]:
    root = resources.files("custom_router")
    data = yaml.safe_load(root.joinpath(*file.split("/")).read_text("utf-8"))
    return (Example(kind, name, str(text)) for name, texts in data.items() for text in texts)


class NearestExamples:
    """Finds them; the vectors are computed once, in some 150 ms, at the first question."""

    def __init__(self) -> None:
        self._held: tuple[StaticEncoder, Array] | None = None

    def of(self, text: str, encoder: StaticEncoder, count: int = 5) -> list[Near]:
        """At most `count`, the most similar first; none for a text without a known word. For one thread at a time."""
        if self._held is None or self._held[0] is not encoder:
            self._held = (encoder, encoder.encode(_texts()))
        similarity = self._held[1] @ encoder.read(text).vector
        best = np.argsort(-similarity)[:count]
        known = examples()
        return [
            Near(known[i].kind, known[i].label, known[i].text, round(float(similarity[i]), 4))
            for i in best.tolist()
            if similarity[i] > 0
        ]


def _texts() -> Sequence[str]:
    return [example.text for example in examples()]
