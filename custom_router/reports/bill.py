"""What routed requests cost, saved and took, by team, key and end user."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from custom_router.reports.store import Store
from custom_router.reports.sums import SELECT, Sums, added


@dataclass(frozen=True, slots=True)
class Payer:
    """Whose requests: by LiteLLM's ids, since aliases may change and be given again. Empty for none."""

    team: str = ""
    key: str = ""
    end_user: str = ""


@dataclass(slots=True)
class Bill:
    """The finest lines, by payer, and the aliases last seen of teams and keys. Coarser ones are added up from them."""

    lines: dict[Payer, Sums] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)

    def team_name(self, payer: Payer) -> str:
        """A team's alias, else its id."""
        return self.aliases.get(payer.team, payer.team) or "(no team)"

    def key_name(self, payer: Payer) -> str:
        """A key's alias, else the beginning of its hash."""
        return self.aliases.get(payer.key) or payer.key[:8] or "(no key)"

    def total(self) -> Sums:
        """Everything together."""
        return added(self.lines.values())

    def by_team(self) -> dict[Payer, Sums]:
        """A line for each team, the dearest first."""
        return self._grouped(lambda payer: Payer(payer.team))

    def by_key(self) -> dict[Payer, Sums]:
        """A line for each key, the dearest first."""
        return self._grouped(lambda payer: Payer(payer.team, payer.key))

    def by_end_user(self) -> dict[Payer, Sums]:
        """A line for each end user of each key, the dearest first; requests that name nobody are left out."""
        found = {payer: sums for payer, sums in self.lines.items() if payer.end_user}
        return _dearest_first(found)

    def _grouped(self, part: Callable[[Payer], Payer]) -> dict[Payer, Sums]:
        groups: dict[Payer, list[Sums]] = {}
        for payer, sums in self.lines.items():
            groups.setdefault(part(payer), []).append(sums)
        return _dearest_first({payer: added(sums) for payer, sums in groups.items()})


def make_bill(store: Store, team: str | None = None) -> Bill:
    """Add up records. `team` is the id or alias of the one team to be billed; None bills everybody."""
    wanted = "TRUE" if team is None else "team = $team OR team_alias = $team"
    named = {} if team is None else {"team": team}
    bill = Bill()
    for *payer, sums in _sums(store, wanted, named):
        bill.lines[Payer(*payer)] = sums
    for id_, alias in (("team", "team_alias"), ("key_hash", "key_alias")):
        bill.aliases |= dict(
            store.rows(
                f"SELECT {id_}, arg_max({alias}, moment) FROM requests "
                f"WHERE {id_} <> '' AND {alias} <> '' AND ({wanted}) GROUP BY {id_}",
                named,
            )
        )
    return bill


def _sums(store: Store, wanted: str, named: dict[str, str]) -> Iterator[tuple[str, str, str, Sums]]:
    rows = store.rows(
        f"SELECT team, key_hash, end_user, {SELECT} FROM requests WHERE {wanted} GROUP BY ALL "
        "ORDER BY team, key_hash, end_user",
        named,
    )
    for team, key, end_user, *figures in rows:
        yield team, key, end_user, Sums(*figures)


def _dearest_first(lines: Mapping[Payer, Sums]) -> dict[Payer, Sums]:
    return dict(sorted(lines.items(), key=lambda line: (-line[1].cost, -line[1].requests, line[0].team, line[0].key)))
