"""`tier-router cache-match`: whether one question's answer would be given to another, one JSON line each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from custom_router.cli.policy_file import PolicyOption, open_policy
from custom_router.cli.terminal import fail, os_reason
from custom_router.cli.text_files import answer_lines, reading, writing

if TYPE_CHECKING:
    from custom_router.cache.match import Matcher


def cache_match(
    input_: Annotated[str, typer.Option("--input", metavar="FILE", help="JSON lines to match; - reads stdin.")] = "-",
    output: Annotated[str, typer.Option(metavar="FILE", help="Where the matches go; - is stdout.")] = "-",
    policy: PolicyOption = None,
) -> None:
    """Say for pairs of questions whether, with the answer to "a" stored, "b" would be given it.

    In: {"id", "a", "b"}. Out, in order: {"id", "hit", "similarity", "p_same", "guard"}; "similarity" is the cosine of
    the two, "p_same" the calibrated probability that one answer serves both, both null where they were not compared,
    and "guard" the reason for a miss. A line that cannot be read gives {"id", "error"} in its place, and exit code 1.

    \b
    Example:
      tier-router cache-match --input pairs.jsonl --output matches.jsonl
      echo '{"id": 1, "a": "capital of France?", "b": "France, capital?"}' | tier-router cache-match
    """
    from custom_router.cache.match import Matcher
    from custom_router.encoder import EncoderUnavailable, MiniLMEncoder

    if "-" not in (input_, output) and Path(input_).resolve() == Path(output).resolve():
        raise typer.BadParameter("is the input file; name another", param_hint="--output")
    settings = open_policy(policy).document.cache
    try:
        source_file = reading(input_)
    except OSError as error:
        raise typer.BadParameter(f"{input_}: {os_reason(error)}", param_hint="--input") from error
    try:
        target_file = writing(output)
    except OSError as error:
        raise typer.BadParameter(f"{output}: {os_reason(error)}", param_hint="--output") from error
    try:
        with source_file as source, target_file as target:
            matcher = Matcher(MiniLMEncoder.load(), settings)
            bad = answer_lines(source, target, lambda raw: _matched(raw, matcher))
    except BrokenPipeError:
        raise  # the reader of a pipe has seen enough; typer ends quietly
    except EncoderUnavailable as error:
        fail(f"comparing questions needs the encoder: {error}")
    except OSError as error:
        fail(f"stopped, matches so far are in {output}: {os_reason(error)}")
    if bad:
        number, reason = bad[0]
        fail(f"{len(bad)} lines could not be read; the first is {input_}:{number}: {reason}")


def _matched(raw: bytes, matcher: Matcher) -> tuple[dict[str, Any], str | None]:
    try:
        line = json.loads(raw)
    except (ValueError, RecursionError) as error:
        return {"id": None, "error": (told := f"is not JSON: {error}")}, told
    id_ = line.get("id") if isinstance(line, dict) else None
    if not isinstance(line, dict) or not isinstance(line.get("a"), str) or not isinstance(line.get("b"), str):
        return {"id": id_, "error": (told := "has no texts a and b")}, told
    if isinstance(id_, bool) or not isinstance(id_, str | int | float):
        return {"id": None, "error": (told := "has no id that is a text or a number")}, told
    match = matcher.match(line["a"], line["b"])
    return {
        "id": id_,
        "hit": match.hit,
        "similarity": match.similarity,
        "p_same": match.p_same,
        "guard": match.guard,
    }, None
