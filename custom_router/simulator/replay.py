"""Recorded answers, looked up by the exact text of the last user message."""

from __future__ import annotations

import logging
from itertools import pairwise
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from custom_router.simulator.tokens import split_tokens

log = logging.getLogger(__name__)


class RecordedToken(BaseModel):
    token: str
    logprob: float


class ReplayRow(BaseModel):
    """One line of a replay file. Without `model` it answers for every model that has no row of its own.

    `logprobs` is one number (the mean, given to every token), or one a token. Bare numbers cut the answer
    into as many pieces of nearly equal length; `{token, logprob}` objects say where the cuts are. With `tool` the
    answer is a call of that function, offered or not, and `answer` its arguments.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    prompt: str
    answer: str
    model: str | None = None
    logprobs: float | list[float] | list[RecordedToken] | None = None
    finish_reason: str | None = None
    score: float | None = None
    tool: str | None = None

    def tokens(self) -> tuple[list[str], list[float] | None]:
        """(pieces of the answer, a logprob for each piece or None)."""
        if isinstance(self.logprobs, list) and self.logprobs:
            recorded = [entry for entry in self.logprobs if isinstance(entry, RecordedToken)]
            if recorded and "".join(entry.token for entry in recorded) == self.answer:
                return [entry.token for entry in recorded], [entry.logprob for entry in recorded]
            values = [e.logprob if isinstance(e, RecordedToken) else e for e in self.logprobs]
            return _cut(self.answer, len(values)), values
        pieces = split_tokens(self.answer)
        mean = self.logprobs if isinstance(self.logprobs, int | float) else None
        return pieces, None if mean is None else [float(mean)] * len(pieces)


class Replay:
    """All rows of a replay file."""

    def __init__(self, rows: list[ReplayRow]) -> None:
        self._rows: dict[tuple[str, str | None], ReplayRow] = {}
        for row in rows:
            self._rows.setdefault((row.prompt, row.model), row)
        if len(self._rows) < len(rows):
            log.warning("replay: %d rows repeat a prompt; the first stands", len(rows) - len(self._rows))

    def find(self, prompt: str, model: str) -> ReplayRow | None:
        """The row of this prompt for this model, else for any model, else None."""
        return self._rows.get((prompt, model)) or self._rows.get((prompt, None))


def load_replay(path: Path) -> Replay:
    """Read a JSON-lines file. Raises `OSError`, or `ValueError` naming the file and line."""
    rows = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                rows.append(ReplayRow.model_validate_json(line))
            except ValidationError as error:
                first = error.errors(include_url=False, include_input=False)[0]
                where = ".".join(map(str, first["loc"]))
                raise ValueError(f"{path}:{number}: {where}: {first['msg']}") from error
    return Replay(rows)


def _cut(text: str, parts: int) -> list[str]:
    edges = [round(index * len(text) / parts) for index in range(parts + 1)]
    return [text[start:end] for start, end in pairwise(edges)]
