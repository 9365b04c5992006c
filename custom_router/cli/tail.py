"""`tier-router tail`: requests as they are decided, from the record files of all workers."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from custom_router.cli.policy_file import PolicyOption, open_policy
from custom_router.cli.terminal import fail, os_reason, say


def tail(
    tier: Annotated[str | None, typer.Option(help="Only answers of this tier: simple, medium, frontier.")] = None,
    domain: Annotated[str | None, typer.Option(help="Only this domain.")] = None,
    cause: Annotated[str | None, typer.Option(help="Only requests with this cause.")] = None,
    team: Annotated[str | None, typer.Option(help="Only this team, by id or alias.")] = None,
    status: Annotated[str | None, typer.Option(help="Only this outcome: ok, error, unknown.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print whole records, one a line.")] = False,
    records: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of the decision records.", show_default="the policy's"),
    ] = None,
    policy: PolicyOption = None,
) -> None:
    """Show requests as their records are written, until interrupted: all workers', new files too.

    \b
    Example:
      tier-router tail --tier frontier
      tier-router tail --status error --json | jq .causes
    """
    from pydantic import ValidationError

    from custom_router.causes import Cause
    from custom_router.receipts.filters import Filter

    try:
        wanted = Filter.model_validate({"tier": tier, "domain": domain, "cause": cause, "team": team, "status": status})
    except ValidationError as error:
        first = error.errors()[0]
        raise typer.BadParameter(first["msg"], param_hint=f"--{first['loc'][0]}") from error
    if cause is not None and cause not in set(Cause):
        raise typer.BadParameter(f"{cause!r} is no cause; docs/records.md lists them", param_hint="--cause")
    folder = records or Path(open_policy(policy).document.records.directory)
    if not folder.is_dir():
        fail(f"{folder}: no such folder; name it with --records if it is another")
    try:
        _follow(folder, wanted.takes, as_json)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
    except BrokenPipeError:  # whoever read has had enough; nothing is left to be flushed at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        fail(f"{folder}: {os_reason(error)}")


def _follow(folder: Path, wanted: Callable[[dict[str, Any]], bool], as_json: bool) -> None:
    import shutil
    import time

    import orjson

    from custom_router.cli.tail_line import tail_line
    from custom_router.receipts.following import POLL_SECONDS, Tail

    followed = Tail(folder)
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    while True:
        found, passed_over = followed.read()
        if passed_over:
            say(f"{passed_over:,} bytes came faster than they could be read and are not shown", err=True)
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
        for record in filter(wanted, found):
            say(orjson.dumps(record).decode() if as_json else tail_line(record, width, colour))
        sys.stdout.flush()
        time.sleep(POLL_SECONDS)
