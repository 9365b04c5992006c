"""Who asks a route, as the proxy authenticated it, and which records are theirs to see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from custom_router.cache.key import CacheTenant
from custom_router.policy import Caller, PolicyDocument


@dataclass(frozen=True, slots=True)
class Visitor:
    """The key behind one call of a route. `admin` may see everything, `may_change` may also change things.

    `caller` gives its limits under a policy. `tenant` is what the cache would take it for.
    """

    admin: bool
    may_change: bool
    tenant: CacheTenant
    key_alias: str | None
    caller: Callable[[PolicyDocument], Caller]

    def sees(self, record: Mapping[str, Any]) -> bool:
        """Whether a decision record is this visitor's to see: an administrator sees all, a key its team's, a key
        without a team its own."""
        if self.admin:
            return True
        whose = record.get("tenant")
        if not isinstance(whose, Mapping):
            return False
        if self.tenant.team is not None:
            return bool(whose.get("team") == self.tenant.team)
        return self.tenant.key is not None and bool(whose.get("key_hash") == self.tenant.key)

    @property
    def group(self) -> str:
        """Whoever shares this visitor's share of a limited good: its team, else its key."""
        return f"team:{self.tenant.team}" if self.tenant.team is not None else f"key:{self.tenant.key}"


Guard = Callable[..., Any]
"""A FastAPI dependency that gives the `Visitor`, or refuses it."""


@dataclass(frozen=True, slots=True)
class Guards:
    """`anyone` lets any key in that the proxy knows, `admin` whoever may look at everything, `change` whoever may also
    change it."""

    anyone: Guard
    admin: Guard
    change: Guard
