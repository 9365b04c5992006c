"""What must be called so that a proxy has the teams and keys of a file. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from custom_router.keys.document import KeyEntry, KeysDocument, TeamEntry

_PLAIN = ("max_budget", "budget_duration", "tpm_limit", "rpm_limit")


class Ambiguous(ValueError):
    """The proxy holds two teams of one alias, so that a file cannot say which is meant."""


class Kind(StrEnum):
    """What happens to a team or key."""

    MAKE = "make"
    CHANGE = "change"
    LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class Step:
    """One team or key: the call to make (none to leave it), and what changes from what to what.

    `body` lacks the id of a `team` that is itself still to be made.
    """

    kind: Kind
    noun: str
    alias: str
    path: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)
    team: str | None = None
    changes: tuple[tuple[str, object, object], ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in the order in which they are to be made, the ids of the teams that exist, by alias, and the aliases of
    what the proxy has beyond the file."""

    steps: tuple[Step, ...]
    team_ids: Mapping[str, str]
    beyond: tuple[str, ...]


def plan(
    document: KeysDocument,
    teams: Sequence[Mapping[str, Any]],
    keys: Sequence[Mapping[str, Any]],
    models: Iterable[str],
) -> Plan:
    """Compare the file with what the proxy lists. `models` are those that every team and key gets.

    Raises `Ambiguous`.
    """
    there = _by_alias(teams, "team_alias", "teams")
    held = _by_alias(keys, "key_alias", "keys")
    allowed = list(models)
    ids = {alias: str(team["team_id"]) for alias, team in there.items()}
    steps = [_team_step(alias, entry, there.get(alias), allowed) for alias, entry in document.teams.items()]
    steps += [_key_step(alias, entry, held.get(alias), allowed, ids) for alias, entry in document.keys.items()]
    beyond = [f"team {alias}" for alias in there if alias not in document.teams]
    beyond += [f"key {alias}" for alias in held if alias not in document.keys]
    nameless = sum(not key.get("key_alias") for key in keys)
    beyond += [f"{nameless} keys without an alias"] if nameless else []
    return Plan(tuple(steps), ids, tuple(beyond))


def _by_alias(items: Sequence[Mapping[str, Any]], name: str, noun: str) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for item in items:
        alias = item.get(name)
        if not alias:
            continue
        if alias in found:
            raise Ambiguous(f"the proxy has two {noun} called {alias!r}; rename or delete one")
        found[str(alias)] = item
    return found


def _wanted(entry: TeamEntry | KeyEntry, models: list[str]) -> dict[str, Any]:
    plain = {name: value for name in _PLAIN if (value := getattr(entry, name)) is not None}
    return {"models": models, **plain}


def _team_step(alias: str, entry: TeamEntry, there: Mapping[str, Any] | None, models: list[str]) -> Step:
    wanted = _wanted(entry, models)
    if there is None:
        body = {"team_alias": alias, **wanted, **_metadata(entry, {})}
        return Step(Kind.MAKE, "team", alias, "/team/new", body)
    return _compared("team", alias, entry, there, wanted, {"team_id": there["team_id"]})


def _key_step(
    alias: str, entry: KeyEntry, there: Mapping[str, Any] | None, models: list[str], ids: Mapping[str, str]
) -> Step:
    wanted = _wanted(entry, models)
    team_id = ids.get(entry.team) if entry.team else None
    if there is None:
        body = {"key_alias": alias, **wanted, **_metadata(entry, {})}
        body |= {"duration": entry.duration} if entry.duration else {}
        body |= {"team_id": team_id} if team_id else {}
        return Step(Kind.MAKE, "key", alias, "/key/generate", body, entry.team)
    if entry.team:
        wanted["team_id"] = team_id
    return _compared("key", alias, entry, there, wanted, {"key": there["token"]}, entry.team)


def _compared(
    noun: str,
    alias: str,
    entry: TeamEntry | KeyEntry,
    there: Mapping[str, Any],
    wanted: Mapping[str, Any],
    which: Mapping[str, Any],
    team: str | None = None,
) -> Step:
    differing = {name: value for name, value in wanted.items() if not _same(there.get(name), value)}
    changes = [(name, there.get(name), value) for name, value in differing.items()]
    metadata = there.get("metadata") or {}
    told = entry.router.told() if entry.router is not None else None
    if told is not None and metadata.get("router") != told:
        # The update replaces all metadata, so what else is in it is repeated.
        differing |= _metadata(entry, metadata)
        changes.append(("router", metadata.get("router"), told))
    if not changes:
        return Step(Kind.LEAVE, noun, alias)
    return Step(Kind.CHANGE, noun, alias, f"/{noun}/update", {**which, **differing}, team, tuple(changes))


def _metadata(entry: TeamEntry | KeyEntry, others: Mapping[str, Any]) -> dict[str, Any]:
    return {"metadata": {**others, "router": entry.router.told()}} if entry.router is not None else {}


def _same(there: object, wanted: object) -> bool:
    if isinstance(there, list) and isinstance(wanted, list):
        return sorted(map(str, there)) == sorted(map(str, wanted))
    return there == wanted
