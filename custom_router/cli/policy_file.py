"""Which policy file a command works with, and the engine for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from custom_router.cli.terminal import fail, paint, say

if TYPE_CHECKING:
    from custom_router.engine import RouterEngine
    from custom_router.policy import Policy, PolicyError

PolicyOption = Annotated[
    Path | None,
    typer.Option(
        "--policy",
        envvar="TIER_ROUTER_POLICY",
        help="The routing policy.",
        show_default="routing_policy.yaml here, else the shipped one",
    ),
]


def find_policy(given: Path | None) -> Path:
    """The policy file to use. Says so where it is the shipped one."""
    from custom_router.bundle import POLICY, bundle_root

    if given is not None:
        return given
    here = Path(POLICY)
    if here.is_file():
        return here
    say(f"no {POLICY} in this folder: using the shipped one", err=True)
    return bundle_root() / POLICY


def open_policy(given: Path | None) -> Policy:
    """Load the policy; exits with 1 and every finding where it cannot be used."""
    from custom_router.policy import Policy, PolicyError

    try:
        return Policy.load(find_policy(given))
    except PolicyError as error:
        _refuse(error)
        raise typer.Exit(1) from None


def open_engine(given: Path | None) -> RouterEngine:
    """An engine for the policy, its models loaded; exits with 1 and the reasons where one cannot be used."""
    from custom_router.engine import RouterEngine
    from custom_router.policy import PolicyError

    try:
        engine = RouterEngine.from_policy(find_policy(given))
    except PolicyError as error:
        _refuse(error)
        raise typer.Exit(1) from None
    if engine.needs_encoder():
        try:
            engine.encoder.load_now()
        except RuntimeError as error:  # no encoder, or a head that was fitted on another: both say how to mend it
            fail(str(error))
    return engine


def _refuse(error: PolicyError) -> None:
    for finding in error.findings:
        say(f"{paint('error:', 'error')} {finding}", err=True)
