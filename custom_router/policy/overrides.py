"""The optional second file of a policy: domains alone, kept by whoever answers for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, field_validator

from custom_router.policy.identity import Identity
from custom_router.policy.schema import DomainPolicy, plain_names
from custom_router.policy.section import Section


class OverridesDocument(Section):
    """overrides.yaml: traffic that must go to a tier whatever it costs."""

    version: Literal[1] = 1
    """Version of this file format."""
    domains: dict[str, DomainPolicy] = Field(min_length=1)
    """As `domains` of the policy. A domain stands in one of the two files."""

    @field_validator("domains")
    @classmethod
    def _plain_names(cls, domains: dict[str, DomainPolicy]) -> dict[str, DomainPolicy]:
        return plain_names(domains)


@dataclass(frozen=True, slots=True)
class Overrides:
    """The file that a policy named, as it was read."""

    path: Path
    seen: Identity | None
    """What the file was just before it was read, so that an edit meanwhile is noticed."""
    content: bytes = b""
    root: yaml.Node | None = None
    domains: frozenset[str] = frozenset()

    def holds(self, path: tuple[int | str, ...]) -> bool:
        """Whether a key of the merged policy stands in this file."""
        return len(path) > 1 and path[0] == "domains" and path[1] in self.domains


def merged(policy: Mapping[str, Any], domains: Mapping[str, Any]) -> dict[str, Any]:
    """The policy's data with the other file's domains after its own."""
    own = policy.get("domains") or {}
    # Of another shape: the schema says so better than a merge could.
    return {**policy, "domains": {**own, **domains} if isinstance(own, Mapping) else own}
