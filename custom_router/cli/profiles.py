"""`tier-router profiles`: the starting points and what each changes."""

from __future__ import annotations

from typing import Annotated

import typer

from custom_router.cli.terminal import paint, say


def profiles(
    name: Annotated[str | None, typer.Argument(help="Print this profile's whole policy instead.")] = None,
) -> None:
    """List the profiles, or print the full policy of one.

    \b
    Example:
      tier-router profiles budget > my_policy.yaml
    """
    from custom_router.bundle import shipped_policy_text
    from custom_router.policy.profiles import load_profiles, value_at

    known = load_profiles()
    shipped = shipped_policy_text()
    if name is not None:
        if name not in known:
            raise typer.BadParameter(f"no profile {name!r}; known: {', '.join(known)}", param_hint="NAME")
        typer.echo(known[name].apply(shipped), nl=False)
        return
    for profile in known.values():
        say(f"{paint(profile.name, 'heading')}\n    {profile.summary}")
        for path, value in profile.changes.items():
            before = value_at(shipped, path)
            if before != value:
                say(f"    {'.'.join(path)}: {value}  (shipped: {'default' if before is None else before})")
