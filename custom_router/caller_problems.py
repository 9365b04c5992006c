"""Which keys and teams have malformed settings, for whoever is to mend them."""

from __future__ import annotations

from cachetools import LRUCache

from custom_router.policy import Caller
from custom_router.records.record import Tenant

CAPACITY = 100
_MEND = "correct its metadata.router; docs/callers.md lists the settings"


class CallerProblems:
    """The keys and teams whose requests lately came with malformed settings; one that is mended leaves with its next.

    Bounded, and by key or team: however many requests a caller sends, it has one place.
    """

    def __init__(self) -> None:
        self._held: LRUCache[tuple[str, str], tuple[str, tuple[str, ...]]] = LRUCache(CAPACITY)

    def note(self, tenant: Tenant, caller: Caller) -> None:
        """Remember what is wrong with the settings of a request's key and team, or that nothing is any more."""
        if not caller.problems and not self._held:
            return
        named = {
            "team": (tenant.team, tenant.team_alias or tenant.team),
            "key": (tenant.key_hash, tenant.key_alias or (tenant.key_hash or "")[:8]),
        }
        for owner, (identity, name) in named.items():
            problems = tuple(p.removeprefix(f"{owner}: ") for p in caller.problems if p.startswith(f"{owner}: "))
            place = (owner, identity or "")
            if problems:
                self._held[place] = (f"{owner} {name or '(unnamed)'}", problems)
            else:
                self._held.pop(place, None)

    def report(self) -> list[dict[str, object]]:
        """Who, what and how to mend it; the latest last."""
        return [{"who": who, "problems": list(problems), "mend": _MEND} for who, problems in self._held.values()]
