"""What this process knows of the entries in a shared store: enough to find the nearest, nothing that is served.

Where the server itself finds the nearest, only which partitions have any: no text, no vector.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from custom_router.cache.base import Neighbour
from custom_router.cache.vectors import VectorTable
from custom_router.classify.base import Vector


@dataclass(frozen=True, slots=True)
class Known:
    """An entry as the mirror holds it; its vector, if that is held, is in its partition's table."""

    partition: str
    tenant: str
    text: str = ""


class Mirror:
    """Questions and vectors by partition, bounded: the first to come is the first to be forgotten."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._known: OrderedDict[str, Known] = OrderedDict()
        self._members: Counter[str] = Counter()
        self._tables: dict[str, VectorTable] = {}

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, entry_id: str) -> bool:
        return entry_id in self._known

    def ids(self) -> set[str]:
        """All entries known."""
        return set(self._known)

    def tenants(self) -> int:
        """How many tenants have entries here."""
        return len({known.tenant for known in self._known.values()})

    def holds(self, partition: str) -> bool:
        """Whether anything is known of the partition."""
        return partition in self._members

    def put(self, entry_id: str, known: Known, vector: Vector | None) -> None:
        """Add or replace an entry; without its vector where the server finds the nearest."""
        self.remove(entry_id)
        if vector is not None:
            table = self._tables.setdefault(known.partition, VectorTable())
            if len(table) and table.dimension != len(vector):
                return  # of another encoder, under a partition that names this one: not what this product wrote
            table.put(entry_id, vector)
        self._known[entry_id] = known
        self._members[known.partition] += 1
        if len(self._known) > self._capacity:
            self.remove(next(iter(self._known)))

    def remove(self, entry_id: str) -> None:
        """Forget an entry."""
        known = self._known.pop(entry_id, None)
        if known is None:
            return
        self._members[known.partition] -= 1
        if not self._members[known.partition]:
            del self._members[known.partition]
        table = self._tables.get(known.partition)
        if table is not None and table.remove(entry_id) == 0:
            del self._tables[known.partition]

    def nearest(self, partition: str, vector: Vector, limit: int) -> Sequence[Neighbour]:
        """At most `limit` questions, most similar first."""
        table = self._tables.get(partition)
        if table is None:
            return ()
        return [Neighbour(id_, self._known[id_].text, cosine) for id_, cosine in table.nearest(vector, limit)]
