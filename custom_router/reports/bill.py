"""What routed requests cost, saved and took, by team, key and end user. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Sums:
    """Requests added up. Dollars; `saved` is against the frontier and net of everything that the router spent itself:
    `overhead`, which is judging answers, and `escalation`, the answers that replaced others.

    `unpriced` requests were answered, but LiteLLM knew no price: their cost is missing from the sums.
    """

    requests: int = 0
    errors: int = 0
    cost: float = 0.0
    saved: float = 0.0
    overhead: float = 0.0
    escalation: float = 0.0
    hits: int = 0
    escalated: int = 0
    unpriced: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    tiers: Counter[str] = field(default_factory=Counter)

    def add(self, record: Mapping[str, Any]) -> None:
        """Count one request."""
        cost, tokens = record.get("cost") or {}, record.get("tokens") or {}
        failed = (record.get("outcome") or {}).get("status") != "ok"
        hit = (record.get("cache") or {}).get("status") == "hit"
        self.requests += 1
        self.errors += failed
        self.cost += cost.get("total") or 0.0
        self.saved += cost.get("saved") or 0.0
        self.overhead += cost.get("classifier") or 0.0
        self.escalation += cost.get("escalation") or 0.0
        self.hits += hit
        self.escalated += bool((record.get("gate") or {}).get("escalated_to"))
        self.unpriced += not failed and cost.get("total") is None
        self.input_tokens += tokens.get("input") or 0
        self.output_tokens += tokens.get("output") or 0
        if not hit:  # nobody's model answered
            self.tiers[str(record.get("tier"))] += 1

    @property
    def hit_rate(self) -> float:
        """Share of requests answered from the cache."""
        return self.hits / self.requests if self.requests else 0.0

    @property
    def escalation_rate(self) -> float:
        """Share of requests whose first answer was replaced."""
        return self.escalated / self.requests if self.requests else 0.0


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
        return _added(self.lines.values())

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
        return _dearest_first({payer: _added(sums) for payer, sums in groups.items()})


def make_bill(records: Iterable[Mapping[str, Any]], team: str | None = None) -> Bill:
    """Add up records. `team` is the id or alias of the one team to be billed; None bills everybody."""
    bill = Bill()
    for record in records:
        tenant = record.get("tenant") or {}
        if team is not None and team not in (tenant.get("team"), tenant.get("team_alias")):
            continue
        payer = Payer(*(str(tenant.get(name) or "") for name in ("team", "key_hash", "end_user")))
        for identity, alias in ((payer.team, tenant.get("team_alias")), (payer.key, tenant.get("key_alias"))):
            if identity and alias:
                bill.aliases[identity] = str(alias)
        bill.lines.setdefault(payer, Sums()).add(record)
    return bill


def _added(parts: Iterable[Sums]) -> Sums:
    whole = Sums()
    for part in parts:
        for name in Sums.__slots__:
            setattr(whole, name, getattr(whole, name) + getattr(part, name))
    return whole


def _dearest_first(lines: Mapping[Payer, Sums]) -> dict[Payer, Sums]:
    return dict(sorted(lines.items(), key=lambda line: (-line[1].cost, -line[1].requests, line[0].team, line[0].key)))
