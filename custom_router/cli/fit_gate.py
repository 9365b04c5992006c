"""`tier-router fit-gate`: fit the gate's calibration to labelled answers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from custom_router.cli.terminal import fail, os_reason, paint, say

if TYPE_CHECKING:
    from custom_router.confidence.calibrate import Entry, GateArtifact
    from custom_router.learn.gate_lines import AnswerLine


def fit_gate(
    data: Annotated[
        list[Path],
        typer.Option(metavar="FILE", help="Labelled answers: JSON lines, .gz, or a folder of records; repeatable."),
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The artifact to write.")],
    opinion_model: Annotated[
        list[str] | None,
        typer.Option(help="Give every other model this one's answer to the same id as a second opinion; repeatable."),
    ] = None,
) -> None:
    """Learn from labelled answers how far a model's confidence can be trusted, for each model and segment.

    A line: {"id", "prompt", "model", "answer", "score", "conf", "conf_type"}, "score" being 0 to 1, with "segment"
    (else "source"), "logprobs" and "opinions" where there are some. Fifty labelled answers are the least for a model or
    segment of its own; 300 are enough. Decision records count too, where their callers gave feedback: it is found in
    the folder feedback/ beside them. Name the artifact in the policy as gate.artifact.

    \b
    Example:
      tier-router fit-gate --data labelled.jsonl --out gate.json
      tier-router fit-gate --data var/records --out gate.json
      tier-router fit-gate --data labelled.jsonl.gz --opinion-model llama3.1-70b --out gate.json
    """
    from custom_router.confidence.calibrate import GateArtifact
    from custom_router.encoder import EncoderUnavailable
    from custom_router.learn.gate_fit import fit_gate as fit
    from custom_router.learn.gate_rows import Unread, read_labelled, score_row, with_opinions
    from custom_router.learn.gate_scored import Scored
    from custom_router.learn.gate_similarity import TextSimilarity

    rows: list[AnswerLine] = []
    scored: list[Scored] = []
    unread: list[Unread] = []
    try:
        for read in read_labelled(data):
            if isinstance(read, Unread):
                unread.append(read)
            elif isinstance(read, Scored):
                scored.append(read)
            else:
                rows.append(read)
    except OSError as error:
        raise typer.BadParameter(f"{error.filename}: {os_reason(error)}", param_hint="--data") from error
    except EOFError as error:
        fail(f"--data: a .gz file ends too early: {error}")
    for model in opinion_model or ():
        if not any(row.answer.model == model for row in rows):
            known = ", ".join(sorted({row.answer.model for row in rows})[:12])
            raise typer.BadParameter(
                f"no answer of {model!r} in the data; there are {known}", param_hint="--opinion-model"
            )
    judged = rows
    for model in opinion_model or ():
        judged = with_opinions(judged, model)
    similarity = TextSimilarity()
    try:
        for done, row in enumerate(judged, 1):
            scored.extend(score_row(row, similarity))
            if sys.stderr.isatty() and done % 100 == 0:
                sys.stderr.write(f"\r{done:,} of {len(judged):,} answers read")
    except EncoderUnavailable as error:
        fail(f"comparing free-text answers needs the encoder: {error}")
    artifact = fit(scored, GateArtifact.load())
    if unread:
        say(f"{len(unread)} lines were left out; the first is {unread[0].where}: {unread[0].error}", err=True)
    if not artifact.entries:
        fail(
            f"{len(scored)} labelled answers with a signal: too few to fit anything (fifty are the least); "
            "lines need conf, logprobs or opinions"
        )
    try:
        artifact.save(out)
    except OSError as error:
        fail(f"{out}: {os_reason(error)}")
    _show(artifact)


def _show(artifact: GateArtifact) -> None:
    wide = max(24, *(len(entry.model or "") for entry in artifact.entries))
    parts = max(14, *(len(entry.segment or "") for entry in artifact.entries))
    signs = max(7, *(len(entry.signals) for entry in artifact.entries))
    say(
        f"{'model':{wide}s} {'signals':{signs}s} {'segment':{parts}s} {'rows':>6s}  {'good':>5s} "
        f"{'error before':>12s} {'after':>6s} {'chance':>6s}  {'AUROC [95 %]':22s}  {'coherence':>9s}  informative"
    )
    for entry in artifact.entries:
        say(_line(entry, wide, signs, parts))
    for entry in artifact.uninformative():
        found = entry.evidence
        share = found.good / found.rows if found else 0.0
        say(
            f"{paint('warning:', 'warning')} {entry.segment or 'all segments'}, {entry.model}, {entry.signals}: these "
            f"signals cannot tell good answers from bad; {share:.2f} are good, and below the trust threshold all go up"
        )


def _line(entry: Entry, wide: int, signs: int, parts: int) -> str:
    found = entry.evidence
    if found is None:
        return f"{entry.model or 'pooled':{wide}s} {entry.signals:{signs}s}"
    before = "-" if found.error_before is None else f"{found.error_before:.3f}"
    coherence = "-" if found.coherence is None else f"{found.coherence:.3f}"
    area = "-"
    if found.auroc is not None:
        area = f"{found.auroc:.3f} [{found.auroc_low:.3f}, {found.auroc_high:.3f}]"
    return (
        f"{entry.model or '(pooled)':{wide}s} {entry.signals:{signs}s} {entry.segment or '(all)':{parts}s} "
        f"{found.rows:6d}  {found.good / found.rows:5.3f} {before:>12s} {found.error_after:6.3f} "
        f"{found.error_chance:6.3f}  {area:22s}  {coherence:>9s}  {'yes' if entry.informative else 'NO'}"
    )
