"""Running commands as a person would, and the policies that the tests use."""

from __future__ import annotations

from pathlib import Path

import yaml
from typer.testing import CliRunner, Result

from custom_router.cli import app

RANDOM_POLICY = {
    "tiers": {
        "simple": {"model": "tier-simple", "threshold": 0.5},
        "medium": {"model": "tier-medium", "threshold": 0.5},
        "frontier": {"model": "tier-frontier"},
    },
    "classifier": {"kind": "random"},
    "signals": {"code": "medium"},
    "domains": {"finance": {"rules": {"terms": ["mortgage"]}}},
}


def run(*arguments: str | Path, given: str | bytes | None = None) -> Result:
    """Run `tier-router` in this process. Nothing but its own exit may end it."""
    result = CliRunner().invoke(app, [str(a) for a in arguments], input=given)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def write_policy(folder: Path, **changes: object) -> Path:
    """A policy that needs no encoder."""
    path = folder / "policy.yaml"
    path.write_text(yaml.safe_dump({**RANDOM_POLICY, **changes}, sort_keys=False), "utf-8")
    return path
