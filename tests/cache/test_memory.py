"""What is the in-process store's own: who leaves first, and the file that survives a restart."""

from __future__ import annotations

from pathlib import Path

import pytest

from custom_router.cache.base import Selector
from custom_router.cache.memory import MemoryStore
from tests.cache.cache_requests import entry, unit


def opened(file: Path | None = None, **limits: int) -> MemoryStore:
    return MemoryStore(**({"entries": 10, "entries_per_tenant": 10} | limits), file=file)


async def texts(store: MemoryStore) -> set[str | None]:
    return {found.text for found in await store.find(Selector(), 100)}


async def test_the_longest_unused_leaves_first() -> None:
    store = opened(entries=2)
    await store.put(entry("a"))
    await store.put(entry("b"))
    await store.get(entry("a").partition, entry("a").id)
    await store.put(entry("c"))
    assert await texts(store) == {"a", "c"}
    assert store.stats()["evictions"] == 1


async def test_entries_survive_a_restart_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "var" / "cache.bin"
    store = opened(file)
    await store.put(entry("a", vector=unit(1.0)))
    await store.put(entry("expired", ttl_s=1e-6))
    await store.close()
    again = opened(file)
    assert await texts(again) == {"a"}
    assert await again.get(entry("a").partition, entry("a").id) is not None
    assert [near.text for near in await again.nearest(entry("a").partition, unit(1.0), 3)] == ["a"]
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("keep", [0, 10, 25, 60, -1])
async def test_a_file_that_is_cut_short_gives_what_it_holds(tmp_path: Path, keep: int) -> None:
    file = tmp_path / "cache.bin"
    store = opened(file)
    await store.put(entry("a"))
    await store.put(entry("b"))
    await store.close()
    file.write_bytes(file.read_bytes()[:keep])
    assert await texts(opened(file)) <= {"a", "b"}


async def test_a_file_of_something_else_begins_empty(tmp_path: Path) -> None:
    file = tmp_path / "cache.bin"
    file.write_bytes(b"\x80\x04cbuiltins\neval\n(S'1'\ntR.")
    assert await texts(opened(file)) == set()


async def test_a_file_that_cannot_be_written_fails_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where a folder should be")
    store = opened(tmp_path / "taken" / "cache.bin")
    await store.put(entry("a"))
    await store.close()
    assert await texts(store) == {"a"}
