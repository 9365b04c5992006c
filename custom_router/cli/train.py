"""`tier-router train`: a head from the team's own traffic."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from custom_router.cli.model import show_comparison
from custom_router.cli.own_data import DataOption, open_encoder, open_rows
from custom_router.cli.policy_file import PolicyOption, open_policy
from custom_router.cli.terminal import fail, os_reason, paint, say

if TYPE_CHECKING:
    from custom_router.learn.own_rows import OwnRows


class Backend(StrEnum):
    """What is trained."""

    HEAD = "head"
    QWEN = "qwen"


def train(
    data: DataOption,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Head to write; with qwen, a folder for vLLM.")],
    policy: PolicyOption = None,
    backend: Annotated[Backend, typer.Option(help="The head, on the CPU; or the small model that vLLM serves.")] = (
        Backend.HEAD
    ),
    base: Annotated[
        str, typer.Option(metavar="MODEL", help="qwen: the model to start from, a folder or a name on the hub.")
    ] = "Qwen/Qwen2.5-0.5B-Instruct",
) -> None:
    """Learn from the team's own labelled traffic which requests a cheap tier answers well enough.

    A line: {"prompt", "scores": {"simple", "medium", "frontier"}, "time", "source"}, or a decision record with its
    prompt and a judge's score, feedback or a verdict of the gate. The latest fifth is never learned from: on it, and on
    each source left out, the candidate is compared with the head in service. Nothing serves until
    `tier-router model promote`.

    \b
    Example:
      tier-router train --data labelled.jsonl --out candidate.npz
      tier-router train --data var/records --out candidate.npz
      tier-router train --data labelled.jsonl --backend qwen --out qwen-router
    """
    rows = open_rows(data, encoder := open_encoder())
    if backend is Backend.QWEN:
        _train_qwen(rows, base, out)
        return
    from custom_router.classify.embedding import HeadRefused
    from custom_router.classify.heads import Heads
    from custom_router.learn.own_artifact import make_candidate
    from custom_router.learn.own_training import TooFew

    found = open_policy(policy)
    try:
        incumbent = Heads(encoder).of(found)
        candidate = make_candidate(rows, incumbent, found)
        candidate.classifier.save(out)
    except (HeadRefused, TooFew) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{out}: {os_reason(error)}")
    except ImportError as error:
        fail(f"training needs {error.name}: pip install 'litellm-tier-router[training]'")
    show_comparison(candidate.classifier.metadata["comparison"])
    worse = candidate.comparison.worse
    say()
    if worse:
        say(f"{paint('worse', 'error')} beyond noise on {', '.join(worse)}: {out} will not be promoted")
    elif not candidate.comparison.better:
        say(f"no better than {incumbent.version} beyond noise; {out} may be promoted, and need not be")
    else:
        say(f"better than {incumbent.version}: tier-router model promote {out}")


def _train_qwen(rows: OwnRows, base: str, out: Path) -> None:
    try:
        from custom_router.learn.qwen_training import fine_tune
    except ImportError as error:
        fail(f"--backend qwen needs {error.name}: pip install 'litellm-tier-router[qwen]'")

    def progress(step: int, steps: int, loss: float) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\rstep {step:,} of {steps:,}, loss {loss:.4f}")
            sys.stderr.flush()

    try:
        found = fine_tune(rows, base, out, progress)
    except (ValueError, OSError) as error:
        fail(f"{base}: {error}")
    say(f"\n{out}: log-loss on the held-out time {found.log_loss:.4f}, without the prompt {found.base_rate_loss:.4f}")
    if found.log_loss >= found.base_rate_loss:
        fail("it learned nothing from the prompts that holds on later ones: not to be served")
    say(f"serve it: CLASSIFIER_MODEL={out} CLASSIFIER_RUNNER=pooling scripts/serve-classifier (docs/vllm.md)")
