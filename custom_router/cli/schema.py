"""`tier-router schema`: the JSON Schema of routing_policy.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from custom_router.cli.terminal import fail, os_reason, say


def schema(
    write: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it to a file instead.")] = None,
) -> None:
    """Print the JSON Schema of the routing policy, for editors and CI.

    \b
    Example:
      tier-router schema --write routing_policy.schema.json
    """
    from custom_router.policy.json_schema import schema_text

    if write is None:
        typer.echo(schema_text(), nl=False)
        return
    try:
        write.write_text(schema_text(), "utf-8")
    except OSError as error:
        fail(f"{write} cannot be written ({os_reason(error)})")
    say(f"wrote {write}")
