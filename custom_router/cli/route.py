"""`tier-router route`: decide JSON lines."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from custom_router.cli.policy_file import PolicyOption, open_engine
from custom_router.cli.terminal import fail, os_reason, say

if TYPE_CHECKING:
    from custom_router.cli.lines import BadLine, Question
    from custom_router.engine import RouterEngine

_CHUNK = 256


def route(
    input_: Annotated[str, typer.Option("--input", metavar="FILE", help="JSON lines to decide; - reads stdin.")] = "-",
    output: Annotated[str, typer.Option(metavar="FILE", help="Where the decisions go; - is stdout.")] = "-",
    policy: PolicyOption = None,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first line that cannot be read.")] = False,
) -> None:
    """Decide many requests, one JSON line each, in order.

    In: {"id", "prompt"} or {"id", "messages"}. Out: {"id", "tier", "complexity", "p_ok", "ood", "domain", "causes",
    "source", "policy_version"}. A line that cannot be read gives {"id", "error"} in its place, and exit code 1.

    \b
    Example:
      tier-router route --input prompts.jsonl --output decisions.jsonl
      echo '{"id": 1, "prompt": "What is 2+2?"}' | tier-router route | jq .tier
    """
    if "-" not in (input_, output) and Path(input_).resolve() == Path(output).resolve():
        raise typer.BadParameter("is the input file; name another", param_hint="--output")
    try:
        reading = _reading(input_)
    except OSError as error:
        raise typer.BadParameter(f"{input_}: {os_reason(error)}", param_hint="--input") from error
    engine = open_engine(policy)
    try:
        writing = _writing(output)
    except OSError as error:
        raise typer.BadParameter(f"{output}: {os_reason(error)}", param_hint="--output") from error
    try:
        with reading as source, writing as target:
            run = _Run(engine, target, strict)
            run.all(source)
    except BrokenPipeError:
        raise  # the reader of a pipe has seen enough; typer ends quietly
    except OSError as error:
        fail(f"stopped, decisions so far are in {output}: {os_reason(error)}")
    if run.bad:
        fail(f"{run.bad} of {run.lines} lines could not be read; the first is {input_}:{run.first_bad}")


class _Run:
    """One pass over the input, in chunks so that memory stays bounded."""

    def __init__(self, engine: RouterEngine, target: BinaryIO, strict: bool) -> None:
        self._engine = engine
        self._target = target
        self._strict = strict
        self._began = time.monotonic()
        self.lines = 0
        self.bad = 0
        self.first_bad = ""

    def all(self, source: BinaryIO) -> None:
        """Decide every line of `source`."""
        chunk: list[Question | BadLine] = []
        with asyncio.Runner() as runner:
            try:
                for item in self._items(source):
                    chunk.append(item)
                    if len(chunk) == _CHUNK:
                        self._decide(runner, chunk)
                        chunk = []
                self._decide(runner, chunk)
            finally:
                self._engine.close()
        if sys.stderr.isatty() and self.lines:
            say(err=True)

    def _items(self, source: BinaryIO) -> Iterator[Question | BadLine]:
        from custom_router.cli.lines import BadLine, read_line

        for number, raw in enumerate(source, 1):
            content = raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw
            if not content.strip():
                continue
            self.lines += 1
            item = read_line(content)
            yield item
            if isinstance(item, BadLine):
                self.bad += 1
                self.first_bad = self.first_bad or f"{number}: {item.error}"
                if self._strict:
                    return

    def _decide(self, runner: asyncio.Runner, chunk: list[Question | BadLine]) -> None:
        from custom_router.cli.lines import Question, bad_line, decision_line

        questions = [item for item in chunk if isinstance(item, Question)]
        decisions = iter(runner.run(self._engine.decide_many([q.view for q in questions])) if questions else ())
        lines = [
            decision_line(item.id, next(decisions)) if isinstance(item, Question) else bad_line(item) for item in chunk
        ]
        self._target.write("".join(f"{line}\n" for line in lines).encode("ascii"))
        self._target.flush()
        if sys.stderr.isatty():
            rate = self.lines / max(time.monotonic() - self._began, 1e-9)
            sys.stderr.write(f"\r{self.lines:,} decided, {rate:,.0f} a second")
            sys.stderr.flush()


def _reading(name: str) -> AbstractContextManager[BinaryIO]:
    return nullcontext(sys.stdin.buffer) if name == "-" else Path(name).open("rb")


def _writing(name: str) -> AbstractContextManager[BinaryIO]:
    return nullcontext(sys.stdout.buffer) if name == "-" else Path(name).open("wb")
