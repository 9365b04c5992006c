"""keys.yaml: the teams and keys that should exist, as typed models."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator

from custom_router.policy.cache import CacheScope
from custom_router.policy.load import Finding, PolicyError, findings_of, line_of, parse_yaml
from custom_router.policy.schema import PolicyDocument
from custom_router.policy.section import Section
from custom_router.tiers import Tier

Duration = Annotated[str, Field(pattern=r"^[1-9]\d*(?:s|m|h|d|w|mo)$")]
"""LiteLLM's: `30s`, `30m`, `12h`, `30d`, `2w`, `1mo`."""


class RouterSettings(Section):
    """What `metadata.router` of a key or team says. Each setting narrows the policy; absent ones say nothing."""

    max_tier: Tier | None = None
    min_tier: Tier | None = None
    cache: CacheScope | None = None
    gate: Literal["on", "off"] | None = None
    domain: str | None = None
    experiment: str | None = Field(default=None, max_length=64)
    log_text: Literal["off", "redacted", "full"] | None = None

    @field_validator("*", mode="before")
    @classmethod
    def _says_something(cls, value: object) -> object:
        if value is None:
            raise ValueError("has no value; give it one or leave it out")
        return value

    def told(self) -> dict[str, Any]:
        """The settings given, as JSON types."""
        return self.model_dump(mode="json", exclude_none=True)


class _Entry(Section):
    max_budget: float | None = Field(default=None, ge=0)
    """Dollars within each `budget_duration`, or ever."""
    budget_duration: Duration | None = None
    """After which the spend is counted from zero again."""
    tpm_limit: int | None = Field(default=None, ge=0)
    """Tokens a minute."""
    rpm_limit: int | None = Field(default=None, ge=0)
    """Requests a minute."""
    router: RouterSettings | None = None


class TeamEntry(_Entry):
    """A team, by its alias. What is left out is left as it is on the proxy."""


class KeyEntry(_Entry):
    """A virtual key, by its alias. What is left out is left as it is on the proxy."""

    team: str | None = None
    """Alias of its team, which must be in the file."""
    duration: Duration | None = None
    """How long the key is valid. Counts from when it is made and is not changed later."""


class KeysDocument(Section):
    """keys.yaml: teams and keys by alias. All get `models` of the policy's entry models, and no other."""

    version: Literal[1] = 1
    """Version of this file format."""
    teams: dict[str, TeamEntry] = Field(default_factory=dict)
    keys: dict[str, KeyEntry] = Field(default_factory=dict)


def read_keys(content: bytes, source: str, policy: PolicyDocument) -> KeysDocument:
    """Check a file of teams and keys against itself and the policy. Raises `PolicyError` with every mistake."""
    root, data = parse_yaml(content, source)
    try:
        document = KeysDocument.model_validate(data)
    except ValidationError as error:
        raise PolicyError(findings_of(error, root, source)) from error
    wrong: list[tuple[tuple[str, ...], str]] = []
    if not document.teams and not document.keys:
        wrong.append(((), "names neither `teams` nor `keys`"))
    for name, key in document.keys.items():
        if key.team is not None and key.team not in document.teams:
            wrong.append((("keys", name, "team"), f"no team {key.team!r} under `teams`; add it there"))
    entries: list[tuple[str, str, _Entry]] = [("teams", n, t) for n, t in document.teams.items()]
    entries += [("keys", n, k) for n, k in document.keys.items()]
    for kind, name, entry in entries:
        domain = entry.router.domain if entry.router else None
        if domain is not None and domain not in policy.domains:
            known = sorted(policy.domains)
            wrong.append(((kind, name, "router", "domain"), f"no domain {domain!r} in the policy; known: {known}"))
    if wrong:
        raise PolicyError([Finding(source, line_of(root, path), ".".join(path), told) for path, told in wrong])
    return document
