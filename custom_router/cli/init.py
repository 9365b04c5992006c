"""`tier-router init`: write the bundle into a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from custom_router.cli.terminal import fail, os_reason, say


def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write into.", file_okay=False)] = Path(),
    profile: Annotated[
        str, typer.Option(help="Starting point for the policy; `tier-router profiles` lists them.")
    ] = "mixed",
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are already there.")] = False,
) -> None:
    """Write the bundle into a folder, ready to edit and run.

    That is litellm_config.yaml, routing_policy.yaml with its JSON Schema, and hooks/.

    \b
    Example:
      tier-router init my-proxy --profile budget
    """
    from custom_router.bundle import CONFIG, POLICY, bundle_files
    from custom_router.policy.profiles import load_profiles

    known = load_profiles()
    if profile not in known:
        raise typer.BadParameter(f"no profile {profile!r}; known: {', '.join(known)}", param_hint="--profile")
    try:
        files = bundle_files()
    except OSError as error:
        fail(f"the installed bundle is incomplete: {error}")
    files[POLICY] = known[profile].apply(files[POLICY].decode("utf-8")).encode("utf-8")
    taken = [name for name in files if (directory / name).exists()]
    if taken and not force:
        fail(f"{directory} already holds {', '.join(taken)}; choose another folder, or overwrite with --force")
    for name, content in files.items():
        target = directory / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        except OSError as error:
            fail(f"{target} cannot be written ({os_reason(error)})")
        say(f"wrote {target}")
    enter = "" if directory == Path() else f"cd {directory} && "
    say(f"\nNext: {enter}tier-router check")
    say(f"Then, with the provider keys set: litellm --config {CONFIG}")
