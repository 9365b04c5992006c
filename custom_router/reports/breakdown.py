"""The report by name and over time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from custom_router.reports.latency import quantile
from custom_router.reports.period import Period
from custom_router.reports.shape import Line, Step
from custom_router.reports.store import Store
from custom_router.reports.sums import SELECT, SUMS, Sums

LISTED = 50
"""Lines of each kind, the dearest; the others are one line together. Clients choose the names of end users."""
_STEPS_S = (60, 300, 900, 3_600, 6 * 3_600, 86_400, 7 * 86_400, 28 * 86_400)
_MOST_STEPS = 120


@dataclass(frozen=True, slots=True)
class Kind:
    """A way to group requests: expressions for the id and for the alias last seen, what nobody's are called (None:
    they have no line), and how much of an id is shown where there is no alias."""

    id: str
    alias: str = "NULL::VARCHAR"
    nobody: str | None = None
    shown: int | None = None


KINDS = {
    "team": Kind("team", "team_alias", "(no team)"),
    "key": Kind("key_hash", "key_alias", "(no key)", 8),
    "end_user": Kind("end_user"),
    "domain": Kind("coalesce(domain, '')"),
    "experiment": Kind("coalesce(experiment || coalesce(' / ' || arm, ''), '')"),
    "call_type": Kind("coalesce(call_type, '')"),
}


def lines(store: Store, kind: Kind) -> list[Line]:
    """Sums of each name, the dearest first."""
    named = "TRUE" if kind.nobody is not None else "id <> ''"
    rows = store.rows(
        f"WITH named AS (SELECT *, {kind.id} AS id, {kind.alias} AS alias FROM requests), "
        f"top AS (SELECT id, TRUE AS listed FROM named WHERE {named} GROUP BY id "
        f"ORDER BY fsum(coalesce(cost, 0)) DESC, count(*) DESC, id LIMIT {LISTED}) "
        f"SELECT top.id, arg_max(alias, moment) FILTER (listed AND alias IS NOT NULL), {SELECT}, "
        f"{quantile(store)}(total_ms, [0.5, 0.95]) FILTER (status = 'ok'), avg(score), count(score) "
        f"FROM named LEFT JOIN top USING (id) WHERE {named} "
        "GROUP BY top.id ORDER BY top.id IS NULL, cost DESC, requests DESC, top.id"
    )
    made = []
    for id_, alias, *figures in rows:
        sums, (quantiles, feedback, labelled) = Sums(*figures[: len(SUMS)]), figures[len(SUMS) :]
        p50, p95 = quantiles or (None, None)
        made.append(
            Line(
                _name(kind, id_, alias), id_, sums.requests, sums.errors, sums.cost, sums.saved, sums.simple,
                sums.medium, sums.frontier, sums.hits, sums.escalated, p50, p95, feedback, labelled,
            )
        )  # fmt: skip
    return made


def _name(kind: Kind, id_: str | None, alias: str | None) -> str:
    if id_ is None:
        return "(others)"
    return alias or id_[: kind.shown] or kind.nobody or ""


def step_seconds(period: Period) -> int:
    """The finest step that cuts the period into few enough pieces to be seen."""
    length = (period.end - period.start).total_seconds()
    return next((step for step in _STEPS_S if length / step <= _MOST_STEPS), _STEPS_S[-1])


def over_time(store: Store, step_s: int) -> list[Step]:
    """Sums of each step from the first with a request to the last, empty ones between them too."""
    rows = store.rows(
        f"SELECT time_bucket(to_seconds({step_s}), moment, TIMESTAMP '2000-01-03') AS start, {SELECT} "
        "FROM requests GROUP BY start ORDER BY start"
    )
    found: dict[datetime, Sums] = {start.replace(tzinfo=UTC): Sums(*figures) for start, *figures in rows}
    made, at, last = [], min(found, default=None), max(found, default=None)
    while at is not None and last is not None and at <= last:
        s = found.get(at, Sums())
        made.append(
            Step(
                at, s.requests, s.simple, s.medium, s.frontier, s.hits, s.escalated, s.errors, s.cost, s.baseline,
                s.saved,
            )
        )  # fmt: skip
        at += timedelta(seconds=step_s)
    return made
