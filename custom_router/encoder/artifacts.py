"""Files on disk that several workers share: checksums, atomic writes, one writer at a time (POSIX locks)."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PARTIAL = ".partial"


def sha256(path: Path) -> str:
    """SHA-256 of the file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def matches(path: Path, checksum: str) -> bool:
    """Whether the file exists and has this SHA-256."""
    return path.is_file() and sha256(path) == checksum


@contextmanager
def written_atomically(target: Path) -> Iterator[Path]:
    """Give a temporary path beside `target`; a clean exit makes it `target`, an error removes it."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=_PARTIAL)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes files private to the user; a cache built as root may be read by the service's user.
        temporary.chmod(0o644)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Hold the directory's lock, and drop the half-written files of a writer that was killed.

    The kernel releases the lock when its holder dies, so it cannot go stale.
    """
    with (directory / ".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for leftover in directory.glob(f".*{_PARTIAL}"):
            leftover.unlink()
        yield
