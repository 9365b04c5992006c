"""`tier-router check`: validate litellm_config.yaml and routing_policy.yaml together."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from custom_router.cli.terminal import os_reason, paint, say

if TYPE_CHECKING:
    from custom_router.check import CheckFinding, Outside


def check(
    config: Annotated[Path, typer.Option(help="LiteLLM's configuration.")] = Path("litellm_config.yaml"),
    policy: Annotated[
        Path | None,
        typer.Option(
            help="The routing policy.",
            envvar="TIER_ROUTER_POLICY",
            show_default="routing_policy.yaml beside the config",
        ),
    ] = None,
    require_keys: Annotated[
        bool, typer.Option("--require-keys", help="Unset environment variables are errors, not warnings.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as one JSON array.")] = False,
) -> None:
    """Check that both files are right and fit together; works offline.

    One line a finding: file:line: severity: path: what is wrong (how to mend it). Exits with 1 if any is an error.

    \b
    Example:
      tier-router check --require-keys
      tier-router check --json | jq '.[] | select(.severity == "error")'
    """
    import json
    from dataclasses import asdict

    found = _findings(config, policy or config.parent / "routing_policy.yaml", require_keys)
    if as_json:
        say(json.dumps([asdict(finding) for finding in found], indent=2))
    else:
        for finding in found:
            say(str(finding).replace(f" {finding.severity}:", f" {paint(finding.severity, finding.severity)}:", 1))
    counts = {kind: sum(finding.severity == kind for finding in found) for kind in ("error", "warning", "note")}
    say(", ".join(f"{count} {kind}{'' if count == 1 else 's'}" for kind, count in counts.items()), err=True)
    if counts["error"]:
        raise typer.Exit(1)


def _findings(config: Path, policy: Path, require_keys: bool) -> list[CheckFinding]:
    from custom_router.check import CheckFinding, Severity, check_texts

    texts: list[bytes] = []
    unreadable: list[CheckFinding] = []
    for path in (config, policy):
        try:
            texts.append(path.read_bytes())
        except OSError as error:
            mend = "`tier-router init` writes one to start from"
            message = f"cannot be read: {os_reason(error)}"
            unreadable.append(CheckFinding(Severity.ERROR, str(path), 0, "", message, mend))
    if unreadable:
        return unreadable
    outside = _outside(config.parent, require_keys)
    return check_texts(texts[0], texts[1], outside, config_file=str(config), policy_file=str(policy))


def _outside(folder: Path, require_keys: bool) -> Outside:
    # Before LiteLLM is imported: otherwise it fetches its price map from the network.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    from datetime import UTC, datetime

    from custom_router.check import Outside
    from custom_router.litellm_adapter import model_facts

    return Outside(
        facts=model_facts,
        supported_params=_supported_params,
        environment=os.environ,
        today=datetime.now(UTC).date(),
        hook_files={path.name for path in (folder / "hooks").glob("*.py")},
        require_keys=require_keys,
    )


def _supported_params(model: str) -> Collection[str] | None:
    import litellm

    litellm.suppress_debug_info = True  # it prints advice about unknown models to standard output
    found: list[str] | None = litellm.get_supported_openai_params(model=model)
    return found
