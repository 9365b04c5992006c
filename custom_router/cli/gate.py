"""`tier-router gate`: judge answers, one JSON line each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from custom_router.cli.policy_file import PolicyOption, open_policy
from custom_router.cli.terminal import fail, os_reason
from custom_router.cli.text_files import answer_lines, reading, writing

if TYPE_CHECKING:
    from custom_router.confidence.assess import Similarity
    from custom_router.confidence.calibrate import GateArtifact
    from custom_router.confidence.gate import GateThresholds
    from custom_router.learn.gate_lines import AnswerLine


def gate(
    input_: Annotated[str, typer.Option("--input", metavar="FILE", help="JSON lines to judge; - reads stdin.")] = "-",
    output: Annotated[str, typer.Option(metavar="FILE", help="Where the verdicts go; - is stdout.")] = "-",
    artifact: Annotated[
        Path | None,
        typer.Option(help="Calibration made by fit-gate.", show_default="the policy's, else the shipped one"),
    ] = None,
    policy: PolicyOption = None,
) -> None:
    """Judge answers that models gave, one JSON line each, in order.

    In: {"id", "prompt", "answer", "model"} and, where known, "conf", "conf_type", "logprobs", "segment" and
    "opinions": [{"model", "answer", "conf"}]. "conf" is a log probability (0 or less) or a probability (above 0, to 1).
    Out: {"id", "confidence", "verdict", "signals"}; "confidence" is the calibrated probability that the answer is
    good, null without any signal, and "verdict" trust, review, escalate or none. A line that cannot be read gives
    {"id", "error"} in its place, and exit code 1.

    \b
    Example:
      tier-router gate --input answers.jsonl --output verdicts.jsonl --artifact gate.json
      echo '{"id": 1, "prompt": "2+2?", "answer": "4", "model": "m", "conf": -0.01}' | tier-router gate
    """
    from custom_router.confidence.calibrate import GateArtifact, GateRefused
    from custom_router.confidence.gate import GateThresholds
    from custom_router.encoder import EncoderUnavailable
    from custom_router.learn.gate_similarity import TextSimilarity

    if "-" not in (input_, output) and Path(input_).resolve() == Path(output).resolve():
        raise typer.BadParameter("is the input file; name another", param_hint="--output")
    try:
        source_file = reading(input_)
    except OSError as error:
        raise typer.BadParameter(f"{input_}: {os_reason(error)}", param_hint="--input") from error
    opened = open_policy(policy)
    settings = opened.document.gate
    try:
        calibration = GateArtifact.load(artifact or opened.beside(settings.artifact))
    except GateRefused as error:
        fail(str(error))
    thresholds = GateThresholds(settings.escalate_below, settings.trust_from, settings.no_signal)
    try:
        target_file = writing(output)
    except OSError as error:
        raise typer.BadParameter(f"{output}: {os_reason(error)}", param_hint="--output") from error
    try:
        with source_file as source, target_file as target:
            similarity = TextSimilarity()
            bad = answer_lines(source, target, lambda raw: _read_and_judged(raw, calibration, thresholds, similarity))
    except BrokenPipeError:
        raise  # the reader of a pipe has seen enough; typer ends quietly
    except EncoderUnavailable as error:
        fail(f"comparing free-text answers needs the encoder: {error}")
    except OSError as error:
        fail(f"stopped, verdicts so far are in {output}: {os_reason(error)}")
    if bad:
        number, reason = bad[0]
        fail(f"{len(bad)} lines could not be read; the first is {input_}:{number}: {reason}")


def _read_and_judged(
    raw: bytes, artifact: GateArtifact, thresholds: GateThresholds, similarity: Similarity
) -> tuple[dict[str, object], str | None]:
    from custom_router.learn.gate_lines import BadAnswerLine, read_answer_line

    line = read_answer_line(raw)
    if isinstance(line, BadAnswerLine):
        return {"id": line.id, "error": line.error}, line.error
    return _judged(line, artifact, thresholds, similarity), None


def _judged(
    line: AnswerLine, artifact: GateArtifact, thresholds: GateThresholds, similarity: Similarity
) -> dict[str, object]:
    from custom_router.confidence.assess import assess
    from custom_router.confidence.base import Expectations
    from custom_router.confidence.calibrate import judge
    from custom_router.request import RequestView

    view = RequestView.from_chat({"messages": [{"role": "user", "content": line.prompt}]})
    found = assess(view, line.answer, Expectations(), artifact, segment=line.segment, similarity=similarity)
    told: dict[str, object] = {**found.signals, "failures": [failure.value for failure in found.failures]}
    if found.calibrated is not None:
        told |= {"calibration": found.calibrated.source, "informative": found.calibrated.informative}
    verdict = judge(found.calibrated, found.failures, thresholds)
    # Unrounded: near 1 the tenth digit still orders answers.
    return {"id": line.id, "confidence": found.confidence, "verdict": verdict.value, "signals": told}
