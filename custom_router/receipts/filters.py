"""Which decision records somebody wants to see. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

_Name = Field(default=None, min_length=1, max_length=200)


class Filter(BaseModel):
    """Conditions on decision records; all that are given must hold. Names are compared whole, `q` is looked for in
    whatever of the record is text, without regard to case."""

    model_config = ConfigDict(extra="forbid")

    tier: Literal["simple", "medium", "frontier"] | None = None
    domain: str | None = _Name
    cause: str | None = _Name
    team: str | None = _Name
    """Id or alias."""
    key: str | None = _Name
    """Hash or alias."""
    cache: Literal["hit", "miss", "bypass"] | None = None
    escalated: bool | None = None
    status: Literal["ok", "error", "unknown"] | None = None
    experiment: str | None = _Name
    q: str | None = _Name

    def takes(self, record: Mapping[str, Any]) -> bool:
        """Whether a record meets every condition."""
        tenant, cache = _part(record, "tenant"), _part(record, "cache")
        return (
            self.tier in (None, record.get("tier"))
            and self.domain in (None, _part(record, "domain").get("name"))
            and (self.cause is None or self.cause in (record.get("causes") or ()))
            and self.team in (None, tenant.get("team"), tenant.get("team_alias"))
            and self.key in (None, tenant.get("key_hash"), tenant.get("key_alias"))
            and self.cache in (None, cache.get("status"))
            and (self.escalated is None or self.escalated == bool(_part(record, "gate").get("escalated_to")))
            and self.status in (None, _part(record, "outcome").get("status"))
            and self.experiment in (None, _part(record, "experiment").get("name"))
            and (self.q is None or _holds(record, self.q.casefold()))
        )


def _part(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = record.get(name)
    return value if isinstance(value, Mapping) else {}


def _holds(value: object, sought: str) -> bool:
    if isinstance(value, str):
        return sought in value.casefold()
    if isinstance(value, Mapping):
        return any(_holds(item, sought) for item in value.values())
    return isinstance(value, list) and any(_holds(item, sought) for item in value)
