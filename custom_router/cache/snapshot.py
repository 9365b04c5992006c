"""Entries in a file, so that an in-process cache survives a restart."""

from __future__ import annotations

import logging
import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

from custom_router.cache import codec
from custom_router.cache.base import Entry

logger = logging.getLogger(__name__)

_MAGIC = b"tier-router cache 1\n"
_LENGTHS = struct.Struct("<III")
_FIELD_LIMIT = 64 * 2**20


def save(path: Path, entries: Iterable[Entry]) -> None:
    """Write all entries, the whole file or none of it, readable by its owner only. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(_MAGIC)
        for entry in entries:
            fields = codec.packed(entry)
            parts = [fields.get(name, b"") for name in (codec.HEAD, codec.VECTOR, codec.ANSWER)]
            file.write(_LENGTHS.pack(*map(len, parts)))
            file.writelines(parts)
    beside.replace(path)


def load(path: Path) -> Iterator[Entry]:
    """The entries of a file. What cannot be read is passed over with a warning; no file is no entries."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return
    except OSError as error:
        logger.warning("cache file %s: %s; beginning empty", path, error.strerror or error)
        return
    if not content.startswith(_MAGIC):
        logger.warning("cache file %s is none of this version; beginning empty", path)
        return
    at = len(_MAGIC)
    while at + _LENGTHS.size <= len(content):
        lengths = _LENGTHS.unpack_from(content, at)
        at += _LENGTHS.size
        if max(lengths) > _FIELD_LIMIT or at + sum(lengths) > len(content):
            break
        parts = []
        for length in lengths:
            parts.append(content[at : at + length])
            at += length
        fields = dict(zip((codec.HEAD, codec.VECTOR, codec.ANSWER), parts, strict=True))
        try:
            yield codec.unpacked(fields)
        except codec.Unreadable as error:
            logger.warning("cache file %s: an entry is not readable: %s", path, error)
    if at != len(content):
        logger.warning("cache file %s is cut short", path)
