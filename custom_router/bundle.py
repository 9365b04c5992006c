"""The files a team runs LiteLLM with, and where this installation keeps its copies of them."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
CONFIG = "litellm_config.yaml"
POLICY = "routing_policy.yaml"
SCHEMA = "routing_policy.schema.json"


def bundle_root() -> Path:
    """The folder that holds the bundle: the repository in a checkout, else the copy inside the wheel.

    A checkout wins: an editable install may have left a copy in site-packages that ages.
    """
    checkout = _PACKAGE.parent
    if (checkout / "pyproject.toml").is_file() and (checkout / CONFIG).is_file():
        return checkout
    return _PACKAGE / "bundle"


def bundle_files() -> dict[str, bytes]:
    """Path relative to the target folder → content. Raises `FileNotFoundError` for a damaged installation."""
    root = bundle_root()
    hooks = sorted(path.relative_to(root).as_posix() for path in (root / "hooks").glob("*.py"))
    if not hooks:
        raise FileNotFoundError(f"{root / 'hooks'} holds no hook file; install litellm-tier-router again")
    return {name: (root / name).read_bytes() for name in (CONFIG, POLICY, SCHEMA, *hooks)}


def shipped_policy_text() -> str:
    """The shipped routing_policy.yaml, comments included."""
    return (bundle_root() / POLICY).read_text("utf-8")
