"""`tier-router matrix`: what thresholds would do to the team's own traffic, and setting them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from custom_router.cli.own_data import DataOption, open_encoder, open_rows
from custom_router.cli.policy_file import PolicyOption, find_policy, open_policy
from custom_router.cli.terminal import fail, os_reason, paint, say

if TYPE_CHECKING:
    import numpy as np

    from custom_router.learn.own_rows import OwnRows
    from custom_router.learn.thresholds import Outcome

_SHOWN = 12
_LEAST_ROWS = 200


def matrix(
    data: DataOption,
    policy: PolicyOption = None,
    strong_share: Annotated[
        float | None, typer.Option(min=0, max=1, help="Pick: best quality with at most this share on the frontier.")
    ] = None,
    quality: Annotated[
        float | None, typer.Option(min=0, max=1, help="Pick: cheapest that keeps this share of the frontier's quality.")
    ] = None,
    max_cost: Annotated[
        float | None, typer.Option(min=0, help="Pick: best quality at this share of the all-frontier cost at most.")
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="Set the picked thresholds in the policy file.")] = False,
) -> None:
    """Print thresholds against tier shares, quality, cost and escalations, for routing alone, the gate alone and both.

    Needs lines with a score of all three tiers (docs/training.md); "confidence" and "cost" by tier where they are
    known. Without costs, those of the shipped configuration at 300 output tokens are assumed. What is picked is of both
    where the gate is on and confidences are known, else of routing alone.

    \b
    Example:
      tier-router matrix --data labelled.jsonl
      tier-router matrix --data labelled.jsonl --strong-share 0.15
      tier-router matrix --data labelled.jsonl --quality 0.95 --write
    """
    import numpy as np

    from custom_router.classify.embedding import HeadRefused
    from custom_router.classify.heads import Heads
    from custom_router.learn.floors import floors
    from custom_router.learn.thresholds import Traffic, efficient, gate_alone, pick
    from custom_router.tiers import Tier

    path = find_policy(policy)
    found = open_policy(path)
    gate = found.document.gate
    rows = open_rows(data, encoder := open_encoder())
    try:
        head = Heads(encoder).of(found)
    except HeadRefused as error:
        fail(str(error))
    rows = _judgeable(rows, head.metadata.get("learned_from"))
    prompts = rows.prompts
    scores = [head.score(view, vector) for view, vector in zip(prompts.views, prompts.vectors, strict=True)]
    lowest = floors(prompts.views, scores, found)
    traffic = Traffic(
        np.array([[one.p_ok[Tier.SIMPLE], one.p_ok[Tier.MEDIUM]] for one in scores]),
        rows.scores,
        _costs(rows),
        rows.confidence,
        gate.escalate_to == "next",
        lowest,
    )
    if fixed := int(np.count_nonzero(lowest)):
        say(f"{fixed:,} of {len(rows):,} requests begin above the simple tier whatever the thresholds are")
    routing = efficient(traffic)
    _show(f"routing alone, {len(rows):,} requests, {head.version}", routing)
    chosen_from = routing
    if (known := bool((rows.confidence >= 0.0).any())) and gate.enabled:
        _show("gate alone: everything begins at the simple tier", gate_alone(traffic), gated=True)
        chosen_from = efficient(traffic, gate.escalate_below)
        _show(f"both, escalating below {gate.escalate_below:g}", chosen_from)
    elif not known:
        say("\nno confidences in the data: nothing to say of the gate, alone or with routing")
    if strong_share is None and quality is None and max_cost is None:
        if write:
            raise typer.BadParameter("say what to pick: --strong-share, --quality or --max-cost", param_hint="--write")
        return
    picked = pick(chosen_from, strong_share=strong_share, quality=quality, max_cost=max_cost)
    if picked is None:
        fail("no pair of thresholds keeps that limit on this traffic")
    _show("picked", [picked])
    if write:
        _write(path, picked, data, len(rows))


def _judgeable(rows: OwnRows, learned_from: Sequence[float] | None) -> OwnRows:
    """The rows with all three scores, without those of the time that the head was fitted on."""
    import numpy as np

    kept = rows.where(np.asarray(~np.isnan(rows.scores).any(axis=1)))
    if learned_from is not None:
        later = kept.where(np.asarray(kept.when > learned_from[1]))
        if len(later) >= _LEAST_ROWS:
            say(f"{len(kept) - len(later)} requests of the time that the head was fitted on left out", err=True)
            kept = later
        else:
            say("the head was fitted on these requests: what follows is optimistic", err=True)
    if len(kept) < _LEAST_ROWS:
        fail(f"{len(kept)} requests with a score of all three tiers; {_LEAST_ROWS} are the least")
    return kept


def _costs(rows: OwnRows) -> np.ndarray:
    """USD of each tier's answer (n, 3): as given where all three are, else by the shipped prices."""
    import numpy as np

    from custom_router.learn.tier_mix import assumed_costs

    chars = np.array([len(view.text) for view in rows.prompts.views], float)
    missing = np.isnan(rows.cost).any(axis=1, keepdims=True)
    return np.where(missing, assumed_costs(chars), rows.cost)


def _show(title: str, outcomes: Sequence[Outcome], *, gated: bool = False) -> None:
    say(f"\n{paint(title, 'heading')}")
    say(
        f"{'escalate' if gated else 'simple':>8s} {'' if gated else 'medium':>7s} | {'simple':>6s} {'medium':>6s} "
        f"{'frontier':>8s} | {'quality [95 %]':22s} | {'cost [95 %]':22s} | escalated [95 %]"
    )
    step = max(1, -(-len(outcomes) // _SHOWN))
    for one in [*outcomes[:-1:step], outcomes[-1]] if len(outcomes) > _SHOWN else outcomes:
        setting = one.setting
        first = f"{setting.gate:8.2f} {'':7s}" if gated else f"{setting.simple:8.4f} {setting.medium:7.4f}"
        simple, medium, frontier = one.shares
        say(
            f"{first} | {simple:6.3f} {medium:6.3f} {frontier:8.3f} | {one.quality!s:22s} | {one.cost!s:22s} "
            f"| {one.escalated}"
        )


def _write(path: Path, picked: Outcome, data: Sequence[Path], rows: int) -> None:
    from custom_router.policy.edit import CannotEdit, edit_file

    setting = picked.setting
    names = ", ".join(one.name for one in data)
    note = (
        f"matrix on {datetime.now(UTC).date().isoformat()} from {names}, {rows:,} requests: "
        f"quality {picked.quality.value:.3f}, cost {picked.cost.value:.3f} of all-frontier"
    )
    values = {"tiers.simple.threshold": setting.simple, "tiers.medium.threshold": setting.medium}
    try:
        edit_file(path, values, note)
    except CannotEdit as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename}: {os_reason(error)}")
    say(f"{path}: tiers.simple.threshold {setting.simple:g}, tiers.medium.threshold {setting.medium:g}")
