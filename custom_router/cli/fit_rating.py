"""`tier-router fit-rating`: what the vLLM classifier's rating is worth, from decision records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from custom_router.cli.terminal import fail, os_reason, say


def fit_rating(
    data: Annotated[list[Path], typer.Option(metavar="FILE", help="Decision records, JSON lines; repeatable.")],
) -> None:
    """Fit the vLLM classifier's weight and curves to decision records with an outcome, late answers included.

    Prints what to write into the policy, and how much it gains on the latest 30 % of the records, which the fit has not
    seen. Exit code 1 where the gain is within noise: leave the policy as it is.

    \b
    Example:
      tier-router fit-rating --data decisions-a.jsonl --data decisions-b.jsonl
    """
    from custom_router.learn.labelled import labelled_lines
    from custom_router.learn.rating_fit import fit_rating as fit
    from custom_router.learn.rating_fit import read_rated

    try:
        read = (read_rated(line.raw, line.feedback) for line in labelled_lines(data))
        rows = [row for row in read if row is not None]
    except OSError as error:
        raise typer.BadParameter(f"{error.filename}: {os_reason(error)}", param_hint="--data") from error
    except EOFError as error:
        fail(f"--data: a .gz file ends too early: {error}")
    try:
        fitted = fit(rows)
    except ValueError as error:
        fail(f"{error}. A record counts where both classifiers spoke and a judge or its caller said how the answer was")
    gain, c = fitted.gain, fitted.calibration
    say(
        f"{len(rows):,} rated answers, judged on the latest {fitted.judged_on:,}: it saves "
        f"{gain.value:.4f} [{gain.low:.4f}, {gain.high:.4f}] nats an answer"
    )
    if not fitted.worth_it:
        fail("within noise, or none at all: the rating adds nothing here; leave the policy as it is")
    say("classifier:")
    say("  vllm:")
    say("    calibration:")
    say("      fitted: true")
    say(f"      simple: {{intercept: {c.simple.intercept:g}, slope: {c.simple.slope:g}}}")
    say(f"      medium: {{intercept: {c.medium.intercept:g}, slope: {c.medium.slope:g}}}")
    say(f"  hybrid: {{vllm_weight: {fitted.weight:g}}}")
