"""Replays a stream of questions through a cache that begins empty, and counts what it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from custom_router.cache.key import canonical
from custom_router.cache.semantic import NEIGHBOURS
from custom_router.cache.vectors import VectorTable
from custom_router.learn.cache_pairs import Embedded
from custom_router.learn.cache_systems import System


@dataclass(slots=True)
class Replay:
    """What happened. `repeatable` are queries of a cluster that was asked before; a hit is right when its cluster is
    the query's own."""

    queries: int = 0
    repeatable: int = 0
    right: int = 0
    wrong: list[tuple[str, str, float]] = field(default_factory=list)
    """Stored text, asked text, cosine."""

    @property
    def hits(self) -> int:
        return self.right + len(self.wrong)

    @property
    def hit_rate(self) -> float:
        return self.hits / max(self.queries, 1)

    @property
    def wrong_rate(self) -> float:
        """Share of hits labelled wrong."""
        return len(self.wrong) / max(self.hits, 1)

    @property
    def recall(self) -> float:
        """Share of repeatable queries answered right."""
        return self.right / max(self.repeatable, 1)


def replay(queries: Sequence[tuple[str, str]], embedded: Embedded, system: System) -> Replay:
    """Run (text, cluster) queries in order. What is not answered is stored."""
    done = Replay()
    asked: set[str] = set()
    same: dict[str, int] = {}
    table = VectorTable()
    for index, (text, cluster) in enumerate(queries):
        done.queries += 1
        done.repeatable += cluster in asked
        asked.add(cluster)
        if not system.takes(text):
            continue
        found: tuple[int, float] | None = None
        if (at := same.get(canonical(text))) is not None:
            found = at, 1.0
        else:
            for name, cosine in table.nearest(embedded[text], NEIGHBOURS):
                if cosine < system.least:
                    break
                if system.accepts(queries[int(name)][0], text, cosine):
                    found = int(name), cosine
                    break
        if found is None:
            same[canonical(text)] = index
            table.put(str(index), embedded[text])
        elif queries[found[0]][1] == cluster:
            done.right += 1
        else:
            done.wrong.append((queries[found[0]][0], text, found[1]))
    return done
