"""The report's totals: money, tiers, escalations, the cache, and what is counted by name."""

from __future__ import annotations

from collections.abc import Sequence

from custom_router.reports.intervals import wilson
from custom_router.reports.period import Period
from custom_router.reports.shape import CacheUse, Cost, DeploymentUse, Escalation, Judged, TierShare
from custom_router.reports.store import Store, within
from custom_router.reports.sums import SELECT, Sums
from custom_router.tiers import TIERS

_JUDGED = "count(*) FILTER (verdict <> 'bypass'), count(*) FILTER (verdict <> 'bypass' AND escalated)"


def total(store: Store, spans: Sequence[Period] | None = None) -> Sums:
    """Everything together; only what was decided in the spans, if any are given."""
    where = "TRUE" if spans is None else " OR ".join(map(within, spans)) or "FALSE"
    return Sums(*store.row(f"SELECT {SELECT} FROM requests WHERE {where}"))


def cost(store: Store, sums: Sums) -> Cost:
    """Money, beside the frontier alone and beside a shuffle."""
    (priced,) = store.row("SELECT coalesce(fsum(baseline), 0.0) FROM requests WHERE saved IS NOT NULL")
    shuffled, paid, compared = _shuffled(store)
    return Cost(
        total=sums.cost,
        first_attempt=sums.first_attempt,
        escalation=sums.escalation,
        classifier=sums.overhead,
        self_check=sums.self_check,
        vllm=sums.vllm,
        embedding=sums.embedding,
        frontier_baseline=sums.baseline,
        saved=sums.saved,
        saved_share=sums.saved / priced if priced else None,
        per_request=sums.cost / sums.requests if sums.requests else None,
        unpriced=sums.unpriced,
        shuffled=shuffled,
        saved_shuffled=shuffled - paid if shuffled is not None else None,
        compared=compared,
    )


def _shuffled(store: Store) -> tuple[float | None, float, int]:
    """Each answer's tokens at the price of a tier drawn from the mix of the same answers, on average; what those
    answers cost; and how many there are. Hits stay hits, however tiers are dealt."""
    compared, paid, *by_tier = store.row(
        "SELECT count(*), coalesce(fsum(cost), 0.0), count(*) FILTER (tier = 'simple'), fsum(at_simple), "
        "count(*) FILTER (tier = 'medium'), fsum(at_medium), count(*) FILTER (tier = 'frontier'), fsum(at_frontier) "
        "FROM requests WHERE NOT hit AND cost IS NOT NULL AND tier IN ('simple', 'medium', 'frontier') "
        "AND at_simple IS NOT NULL AND at_medium IS NOT NULL AND at_frontier IS NOT NULL"
    )
    if not compared:
        return None, 0.0, 0
    counts, prices = by_tier[0::2], by_tier[1::2]
    return sum(n / compared * usd for n, usd in zip(counts, prices, strict=True)), paid, compared


def tiers(store: Store, sums: Sums) -> dict[str, TierShare]:
    """Delivered answers by tier."""
    spent = dict(store.rows("SELECT tier, coalesce(fsum(cost), 0.0) FROM requests WHERE NOT hit GROUP BY tier"))
    answered = sum(sums.tiers.values())
    return {
        tier: TierShare(count, count / answered if answered else None, spent.get(tier, 0.0))
        for tier, count in sums.tiers.items()
    }


def escalation(store: Store) -> Escalation:
    """What the gate judged and replaced."""
    judged, escalated = store.row(f"SELECT {_JUDGED} FROM requests")
    found = {
        tier: Judged(*counts)
        for tier, *counts in store.rows(f"SELECT first_tier, {_JUDGED} FROM requests WHERE NOT hit GROUP BY first_tier")
    }
    return Escalation(
        judged,
        escalated,
        escalated / judged if judged else None,
        wilson(escalated, judged),
        {tier.value: found.get(tier.value, Judged(0, 0)) for tier in TIERS},
        counted(store, "verdict", "NOT hit"),
    )


def cache(store: Store) -> CacheUse:
    """Hits, what is to be thought of them, and why others were refused."""
    hit, exact, semantic, miss, bypass, requests, wrong, labelled, bad = store.row(
        "SELECT count(*) FILTER (hit), count(*) FILTER (hit AND cache_kind = 'exact'), "
        "count(*) FILTER (hit AND cache_kind = 'semantic'), count(*) FILTER (cache_status = 'miss'), "
        "count(*) FILTER (cache_status NOT IN ('hit', 'miss')), count(*), "
        "coalesce(fsum(1 - p_same) FILTER (hit AND cache_kind = 'semantic'), 0.0), "
        "count(score) FILTER (hit), count(*) FILTER (hit AND score < 0) FROM requests"
    )
    return CacheUse(
        hit, exact, semantic, miss, bypass, hit / requests if requests else None, wrong, labelled, bad,
        wilson(bad, labelled), counted(store, "guard"),
    )  # fmt: skip


def counted(store: Store, column: str, where: str = "TRUE") -> dict[str, int]:
    """Requests by what a column holds, the most frequent first."""
    return dict(
        store.rows(
            f"SELECT {column}, count(*) AS n FROM requests WHERE {column} IS NOT NULL AND {where} "
            f"GROUP BY {column} ORDER BY n DESC, {column}"
        )
    )


def causes(store: Store) -> dict[str, int]:
    """Requests by cause; one may have several."""
    return dict(
        store.rows(
            "SELECT cause, count(*) AS n FROM (SELECT unnest(causes) AS cause FROM requests) "
            "WHERE cause IS NOT NULL GROUP BY cause ORDER BY n DESC, cause"
        )
    )


def deployments(store: Store) -> dict[str, DeploymentUse]:
    """Requests by the deployment that answered, where LiteLLM says which."""
    rows = store.rows(
        f"SELECT deployment, {SELECT} FROM requests WHERE deployment IS NOT NULL GROUP BY deployment "
        "ORDER BY requests DESC, deployment"
    )
    return {name: DeploymentUse(s.requests, s.errors, s.cost) for name, s in ((r[0], Sums(*r[1:])) for r in rows)}
