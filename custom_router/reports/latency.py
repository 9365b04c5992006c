"""How long requests took, by path and by stage."""

from __future__ import annotations

from typing import Any

from custom_router.reports.shape import Latency, Quantiles
from custom_router.reports.store import Store

EXACT_UP_TO = 1_000_000
"""Requests whose quantiles are exact. Above, holding every value would not fit; a t-digest is used."""


def quantile(store: Store) -> str:
    """The aggregate that gives quantiles of the table's rows."""
    return "quantile_cont" if store.read.records <= EXACT_UP_TO else "approx_quantile"


def approximate(store: Store) -> list[str]:
    """What is to be said of quantiles that are not exact."""
    if store.read.records <= EXACT_UP_TO:
        return []
    return [f"above {EXACT_UP_TO:,} requests quantiles are approximate (t-digest)"]


def latency(store: Store) -> Latency:
    """Quantiles of answered requests."""
    at = f"{quantile(store)}({{}}, [0.5, 0.95, 0.99])"
    total = at.format("total_ms")
    paths = _by_name(
        store.rows(f"SELECT path, count(total_ms), {total} FROM requests WHERE status = 'ok' GROUP BY path")
    )
    stages = _by_name(
        store.rows(
            f"SELECT stage.key, count(stage.value), {at.format('stage.value')} FROM "
            "(SELECT unnest(map_entries(latency_ms)) AS stage FROM requests WHERE status = 'ok') "
            "GROUP BY stage.key ORDER BY stage.key"
        )
    )
    none = Quantiles(0)
    return Latency(
        paths.get("direct", none),
        paths.get("escalated", none),
        paths.get("hit", none),
        stages.pop("ttft", none),
        stages.pop("overhead", none),
        {name: found for name, found in stages.items() if name != "total"},
    )


def _by_name(rows: list[tuple[Any, ...]]) -> dict[str, Quantiles]:
    return {name: Quantiles(n, *(values or ())) for name, n, values in rows if n}
