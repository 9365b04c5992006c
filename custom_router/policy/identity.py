"""Whether a file is still the one that was read."""

from __future__ import annotations

from pathlib import Path

Identity = tuple[int, int, int, int]


def identity(path: Path) -> Identity | None:
    """What changes whenever a file is written, swapped or mended; None where it cannot be seen."""
    try:
        stat = path.stat()
    except (OSError, ValueError):
        return None
    # The change time too: mending a file's permissions, or restoring an old copy with its dates, moves only that.
    return stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino
