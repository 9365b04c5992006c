"""Names of what the cache keeps in Redis."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Keys:
    """All keys begin with the policy's prefix. `1` is the version of what lies behind them."""

    prefix: str

    def entry(self, entry_id: str) -> str:
        """Hash of one entry; `*` gives the pattern of all."""
        return f"{self.prefix}:cache:1:entry:{entry_id}"

    def tenant(self, label: str) -> str:
        """Sorted set of a tenant's entries by the time at which they expire."""
        return f"{self.prefix}:cache:1:tenant:{hashlib.sha256(label.encode('utf-8', 'replace')).hexdigest()}"

    @property
    def everyone(self) -> str:
        """The same of all entries."""
        return f"{self.prefix}:cache:1:all"

    @property
    def events(self) -> str:
        """Stream of changes."""
        return f"{self.prefix}:cache:1:events"

    def vectors(self, partition: str) -> str:
        """Vector set of a partition's questions, where the server has such."""
        return f"{self.prefix}:cache:1:vectors:{partition}"

    def expiring(self, partition: str) -> str:
        """Sorted set of the same elements by the time at which they expire."""
        return f"{self.prefix}:cache:1:expiring:{partition}"
