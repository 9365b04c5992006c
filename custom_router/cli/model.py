"""`tier-router model`: what a head is made of, and which one serves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from custom_router.cli.policy_file import PolicyOption, find_policy, open_policy
from custom_router.cli.terminal import fail, os_reason, paint, say

if TYPE_CHECKING:
    from custom_router.classify.embedding import EmbeddingClassifier

_ARTIFACT = "classifier.artifact"
_FIRST = "head.npz"

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Show the classifier's head, swap it, swap back.")


@app.command()
def show(
    artifact: Annotated[Path | None, typer.Argument(help="A head artifact.", show_default="the policy's")] = None,
    policy: PolicyOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything that is inside as JSON.")] = False,
) -> None:
    """Say what a head was fitted on, under which licences, and how well it did.

    \b
    Example:
      tier-router model show
      tier-router model show candidate.npz --json
    """
    if artifact is None:
        found = open_policy(policy)
        artifact = found.beside(found.document.classifier.artifact)
    head = _load(artifact)
    if as_json:
        say(json.dumps(head.metadata, indent=2))
        return
    meta = head.metadata
    say(f"{paint('head', 'heading')}       {head.version}, {artifact or 'shipped'}")
    say(f"encoder    {meta['encoder']}, first {meta['encoded_chars']} characters")
    say(f"target     {meta['target']}")
    say(f"\n{paint('fitted on', 'heading')}")
    for name, source in meta["sources"].items():
        say(f"  {name:24s} {source['rows']:6d} rows   {source['licence']}")
    if seeds := meta.get("seeds"):
        say(f"  {'seeds':24s} {sum(seeds['counts'].values()):6d} rows   {seeds['note']}")
    if left_out := meta.get("leave_one_source_out"):
        say(f"\n{paint('on sources left out', 'heading')}")
        for name, value in left_out["summary"].items():
            say(f"  {name:24s} {value:.3f}")
    if comparison := meta.get("comparison"):
        show_comparison(comparison)


@app.command()
def promote(
    candidate: Annotated[Path, typer.Argument(help="A head made by `tier-router train`.", dir_okay=False)],
    policy: PolicyOption = None,
) -> None:
    """Put a candidate into service: the file that the policy's classifier.artifact names is replaced at once. A policy
    that names none gets `head.npz` beside it.

    Running proxies take it up within two seconds. Refused where the candidate is worse than the head in service on any
    slice beyond noise.

    \b
    Example:
      tier-router model promote candidate.npz
    """
    from custom_router.classify.embedding import HeadRefused
    from custom_router.encoder.static import VERSION
    from custom_router.learn import promotion
    from custom_router.policy.edit import CannotEdit, edit_file

    path = find_policy(policy)
    named = open_policy(path).document.classifier.artifact
    serving = path.parent / (named or _FIRST)
    try:
        incumbent = _load(serving if named else None)
        version = promotion.promote(candidate, serving, VERSION, incumbent, first=named is None)
        if named is None:
            edit_file(path, {_ARTIFACT: _FIRST}, f"model promote: {version}")
    except (promotion.Refused, HeadRefused, CannotEdit) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename}: {os_reason(error)}")
    say(f"{version} serves from {serving}; `tier-router model rollback` brings back {incumbent.version}")


@app.command()
def rollback(policy: PolicyOption = None) -> None:
    """Bring back the head that served before the last promote, the shipped one if that was the first. A second rollback
    undoes the first.

    \b
    Example:
      tier-router model rollback
    """
    from custom_router.classify.embedding import HeadRefused
    from custom_router.encoder.static import VERSION
    from custom_router.learn import promotion
    from custom_router.policy.edit import CannotEdit, edit_file

    path = find_policy(policy)
    named = open_policy(path).document.classifier.artifact
    if named is None:
        fail(f"{path}: classifier.artifact names no file, so the shipped head serves already")
    serving = path.parent / named
    try:
        if promotion.previous_of(serving).exists():
            version = promotion.rollback(serving, VERSION)
        else:
            edit_file(path, {_ARTIFACT: None}, "model rollback: the shipped head")
            version = _load(None).version
    except (promotion.Refused, HeadRefused, CannotEdit) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename}: {os_reason(error)}")
    say(f"{version} serves")


def show_comparison(comparison: dict[str, Any]) -> None:
    """Candidate against incumbent, a line a slice; a slice where it is worse is marked."""
    say(f"\n{paint('against ' + comparison['incumbent'], 'heading')} (log-loss in nats, lower is better)")
    say(f"  {'slice':38s} {'rows':>5s} {'before':>7s} {'after':>7s}   difference")
    for one in comparison["slices"]:
        at = one["difference"]
        worse = paint("  worse", "error") if at["low"] > 0.0 else ""
        say(
            f"  {one['name']:38s} {one['rows']:5d} {one['incumbent']:7.3f} {one['candidate']:7.3f}   "
            f"{at['value']:+.4f} [{at['low']:+.4f}, {at['high']:+.4f}]{worse}"
        )
    (old_area, new_area), (old_error, new_error) = comparison["apgr"], comparison["ece"]
    say(f"  APGR {old_area:.3f} → {new_area:.3f}, calibration error {old_error:.3f} → {new_error:.3f}")


def _load(artifact: Path | None) -> EmbeddingClassifier:
    from custom_router.classify.embedding import EmbeddingClassifier, HeadRefused
    from custom_router.encoder.static import VERSION

    try:
        return EmbeddingClassifier.load(artifact, encoder_version=VERSION)
    except HeadRefused as error:
        fail(str(error))
