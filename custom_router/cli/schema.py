"""`tier-router schema`: the JSON Schemas of the files that people edit."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from custom_router.cli.terminal import fail, os_reason, say


class File(StrEnum):
    """A file with a schema."""

    POLICY = "policy"
    OVERRIDES = "overrides"
    KEYS = "keys"


def schema(
    of: Annotated[File, typer.Argument(help="routing_policy.yaml, overrides.yaml or keys.yaml.")] = File.POLICY,
    write: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it to a file instead.")] = None,
) -> None:
    """Print the JSON Schema of the routing policy, or of its overrides or a file of keys, for editors and CI.

    \b
    Example:
      tier-router schema --write routing_policy.schema.json
      tier-router schema keys --write keys.schema.json
    """
    text = _text(of)
    if write is None:
        typer.echo(text, nl=False)
        return
    try:
        write.write_text(text, "utf-8")
    except OSError as error:
        fail(f"{write} cannot be written ({os_reason(error)})")
    say(f"wrote {write}")


def _text(of: File) -> str:
    from custom_router.keys.document import KeysDocument
    from custom_router.policy.json_schema import model_text, schema_text
    from custom_router.policy.overrides import OverridesDocument

    return schema_text() if of is File.POLICY else model_text(KeysDocument if of is File.KEYS else OverridesDocument)
