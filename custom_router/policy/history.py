"""Which policies have been in force on this host: a file for each version and one for each loading, beside the records,
so that every worker sees the same and a restart forgets nothing."""

from __future__ import annotations

import logging
import os
import re
import secrets
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from custom_router.policy.load import Policy
from custom_router.policy.masked import masked_texts

logger = logging.getLogger(__name__)

VERSIONS = 20
"""Kept, the latest loaded."""
LOADINGS = 200
_VERSION = re.compile(r"[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Loading:
    """One worker loaded a version. `owner` and `modified` are those of the file, where they are known."""

    version: str
    loaded_at: str
    worker: str
    source: str
    owner: str | None = None
    modified: str | None = None


@dataclass(slots=True)
class Version:
    """A version that has been in force, and its texts, with secrets masked; `by` are its loadings, latest first."""

    version: str
    loaded_at: str
    text: str
    overrides: str | None
    by: list[Loading] = field(default_factory=list)


class PolicyHistory:
    """Notes and reads. Any thread, any process: each note is a file of its own, written at once."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def note(self, policy: Policy, loaded_at: str) -> None:
        """A policy has come into force in this process. Never raises."""
        if not policy.content:  # what serves while no file can be used
            return
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            text, overrides = masked_texts(policy)
            owner, modified = _file_facts(policy.source)
            made = Loading(
                policy.version, loaded_at, f"{socket.gethostname()}:{os.getpid()}", policy.source, owner, modified
            )
            stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
            # First, so that no other worker takes the version for one that has been forgotten.
            _write(self._directory / f"loaded-{stamp}-{secrets.token_hex(4)}.json", made)
            kept = self._directory / f"version-{policy.version}.json"
            if not kept.exists():
                _write(kept, {"version": policy.version, "text": text, "overrides": overrides})
            self._thin()
        except OSError as error:
            logger.warning("the policy's history is not kept: %s: %s", self._directory, error.strerror or error)

    def versions(self) -> list[Version]:
        """The last versions, latest first. Raises `OSError`."""
        found: dict[str, Version] = {}
        for loading in self._loadings():
            known = found.get(loading.version)
            if known is None and len(found) < VERSIONS and (texts := self._texts(loading.version)) is not None:
                known = found[loading.version] = Version(loading.version, loading.loaded_at, *texts)
            if known is not None:
                known.by.append(loading)
        return list(found.values())

    def _loadings(self) -> Iterator[Loading]:
        for path in self._files("loaded-*.json"):
            made = _read(path)
            try:
                yield Loading(**made)
            except TypeError:  # of another version of this package
                continue

    def _texts(self, version: str) -> tuple[str, str | None] | None:
        if _VERSION.fullmatch(version) is None:
            return None
        made = _read(self._directory / f"version-{version}.json")
        text, overrides = made.get("text"), made.get("overrides")
        return (text, overrides if isinstance(overrides, str) else None) if isinstance(text, str) else None

    def _files(self, pattern: str) -> list[Path]:
        return sorted(self._directory.glob(pattern), key=lambda path: path.name, reverse=True)

    def _thin(self) -> None:
        for path in self._files("loaded-*.json")[LOADINGS:]:
            path.unlink(missing_ok=True)
        kept = list(dict.fromkeys(loading.version for loading in self._loadings()))[:VERSIONS]
        for path in self._files("version-*.json"):
            if path.stem.removeprefix("version-") not in kept:
                path.unlink(missing_ok=True)


def _file_facts(source: str) -> tuple[str | None, str | None]:
    path = Path(source)
    try:
        modified = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")
    except (OSError, ValueError):
        return None, None
    try:
        return path.owner(), modified
    except (OSError, KeyError, NotImplementedError):  # nobody's name goes with the number
        return None, modified


def _write(path: Path, content: Any) -> None:
    # Whole or not at all, whoever reads meanwhile.
    partial = path.with_suffix(f".{secrets.token_hex(4)}.part")
    try:
        partial.write_bytes(orjson.dumps(content))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any]:
    try:
        made = orjson.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return made if isinstance(made, dict) else {}
