"""The vectors of one partition, searched exactly."""

from __future__ import annotations

import numpy as np

from custom_router.classify.base import Vector


class VectorTable:
    """Unit vectors by entry id in one growing matrix; freed rows are used again."""

    def __init__(self) -> None:
        self._matrix: np.ndarray[tuple[int, int], np.dtype[np.float32]] | None = None
        self._ids: list[str] = []
        self._rows: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def dimension(self) -> int:
        """Length of its vectors; 0 before the first."""
        return 0 if self._matrix is None else self._matrix.shape[1]

    def put(self, entry_id: str, vector: Vector) -> None:
        """Add or replace a vector, shape (d,)."""
        row = self._rows.get(entry_id)
        if row is None:
            row = len(self._ids)
            self._reserve(row + 1, len(vector))
            self._ids.append(entry_id)
            self._rows[entry_id] = row
        assert self._matrix is not None
        self._matrix[row] = vector

    def remove(self, entry_id: str) -> int:
        """Take a vector out, the last one into its place; how many are left."""
        row = self._rows.pop(entry_id, None)
        if row is not None:
            assert self._matrix is not None
            last = self._ids.pop()
            if last != entry_id:
                self._ids[row] = last
                self._rows[last] = row
                self._matrix[row] = self._matrix[len(self._ids)]
        return len(self._ids)

    def nearest(self, vector: Vector, limit: int) -> list[tuple[str, float]]:
        """At most `limit` ids and their cosines, most similar first."""
        count = len(self._ids)
        if not count or len(vector) != self.dimension:
            return []
        assert self._matrix is not None
        cosines = self._matrix[:count] @ vector
        best = np.argpartition(cosines, count - limit)[count - limit :] if count > limit else np.arange(count)
        ordered = best[np.argsort(-cosines[best], kind="stable")]
        return [(self._ids[row], float(cosines[row])) for row in ordered]

    def _reserve(self, rows: int, dimension: int) -> None:
        if self._matrix is None:
            self._matrix = np.empty((8, dimension), np.float32)
        elif dimension != self.dimension:
            raise ValueError(f"a vector of {dimension} dimensions among vectors of {self.dimension}")
        elif rows > len(self._matrix):
            grown = np.empty((len(self._matrix) * 2, dimension), np.float32)
            grown[: len(self._matrix)] = self._matrix
            self._matrix = grown
