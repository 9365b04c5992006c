"""Which files hold the records of a span of time: a folder's, a pattern's, or a bucket's."""

from __future__ import annotations

import gzip
import zlib
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from glob import glob, has_magic
from itertools import islice
from pathlib import Path

import orjson

from custom_router.records.pruned import FOLDER as PRUNED
from custom_router.reports.period import Period

ENDINGS = (".jsonl", ".jsonl.gz")


@dataclass(frozen=True, slots=True)
class Source:
    """Files to read, as DuckDB names them, and what lies beside them.

    `first` is the earliest time at the beginning of a file, those that are passed over because nothing was written
    to them in the span included; unknown in a bucket. `torn` counts files whose last line was cut off when a process
    was killed or a disk was full. `pruned` are the workers' notes of segments that they deleted.
    """

    files: list[str]
    feedback: list[str] = field(default_factory=list)
    first: datetime | None = None
    torn: int = 0
    pruned: list[str] = field(default_factory=list)


def is_remote(records: str) -> bool:
    """Whether records are named by an address such as `s3://bucket/prefix/*.jsonl`."""
    return "://" in records


def find_local(records: str, period: Period) -> Source:
    """The files of a folder, a file or a pattern that may hold records of the period. Raises `OSError`."""
    paths = _paths(records)
    first: datetime | None = None
    files, torn = [], 0
    for path in paths:
        with suppress(FileNotFoundError):  # a worker has deleted an old one of its own meanwhile
            begun = _begun(path)
            first = begun if first is None or (begun is not None and begun < first) else first
            # A record is written after it was made, so an older file holds none.
            if path.stat().st_mtime >= period.start.timestamp():
                torn += _ends_torn(path)
                files.append(str(path))
    folders = {path.parent for path in paths} | ({Path(records)} if Path(records).is_dir() else set())
    return Source(files, _beside(folders, "feedback"), first, torn, _beside(folders, PRUNED))


def remote_patterns(records: str) -> tuple[str, str, str]:
    """The patterns of the records in a bucket, of their feedback, and of the notes of deleted segments. An address that
    ends in `/` is a folder."""
    pattern = f"{records}*.jsonl" if records.endswith("/") else records
    folder = pattern.rpartition("/")[0]
    return pattern, f"{folder}/feedback/*.jsonl", f"{folder}/{PRUNED}/*.jsonl"


def segment_time(line: bytes) -> datetime | None:
    """When the record of a line was made; None where it is no record."""
    try:
        moment = datetime.fromisoformat(orjson.loads(line)["time"])
    except (ValueError, TypeError, KeyError):
        return None
    return moment if moment.tzinfo is not None else None


def _paths(records: str) -> list[Path]:
    given = Path(records)
    if has_magic(records) and not given.exists():
        found = [Path(name) for name in sorted(glob(records, recursive=True))]
        if not found:
            raise FileNotFoundError(2, "No file matches the pattern", records)
        return [path for path in found if path.is_file()]
    # A folder that is not there would otherwise be a clean bill.
    return [given] if given.is_file() else _inside(given)


def _beside(folders: set[Path], name: str) -> list[str]:
    return [str(path) for folder in sorted(folders) if (folder / name).is_dir() for path in _inside(folder / name)]


def _inside(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name.endswith(ENDINGS) and path.is_file())


def _begun(path: Path) -> datetime | None:
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
        try:
            return next((moment for line in islice(lines, 20) if (moment := segment_time(line))), None)
        except (EOFError, zlib.error):  # cut off: what it holds is read all the same
            return None


def _ends_torn(path: Path) -> bool:
    if path.suffix == ".gz":
        return False
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 2**20))  # far longer than any record
        line = file.read().rpartition(b"\n")[2]
    return bool(line.strip()) and segment_time(line) is None
