"""Made-up decision records with the shape, the size and the variety of real ones. Not one of them says anything about
how good the router is."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import orjson

from custom_router.causes import Cause
from custom_router.records.cost import cost_of
from custom_router.records.record import (
    CacheFields,
    CostFields,
    DecisionRecord,
    DomainFields,
    ExperimentFields,
    GateFields,
    OutcomeFields,
    ScoreFields,
    Tenant,
    TokenFields,
)
from custom_router.reports.period import Period

_USD = {"simple": (0.1e-6, 0.4e-6), "medium": (0.6e-6, 2.5e-6), "frontier": (5e-6, 20e-6)}
_INTENTS = ("chat", "code", "lookup", "analysis", "summarising", None)
_CALLS = ("chat", "responses", "messages", "completion")


def synthetic_records(count: int, period: Period, seed: int = 0) -> Iterator[DecisionRecord]:
    """Finished requests of ten teams and thousands of end users, spread over the period; errors, hits, escalations,
    domains and requests without a price among them."""
    draw = random.Random(seed)  # noqa: S311 - nothing secret
    length = (period.end - period.start).total_seconds()
    for number in range(count):
        made = period.start + timedelta(seconds=length * number / count)
        yield _record(draw, made)


def write_records(folder: Path, count: int, period: Period, labelled: float, seed: int = 0) -> Path:
    """A segment of made-up records, and feedback on a share of them beside it."""
    draw = random.Random(seed)  # noqa: S311
    (folder / "feedback").mkdir(parents=True, exist_ok=True)
    segment = folder / "decisions-0.jsonl"
    with segment.open("wb") as records, (folder / "feedback" / "feedback-0.jsonl").open("wb") as feedback:
        for record in synthetic_records(count, period, seed):
            records.write(record.to_json() + b"\n")
            if draw.random() < labelled:
                score = draw.choice((-1.0, 0.0, 0.5, 1.0))
                line = {"request_id": record.request_id, "time": record.time, "score": score}
                feedback.write(orjson.dumps(line) + b"\n")
    return segment


def _record(draw: random.Random, made: datetime) -> DecisionRecord:
    simple = draw.betavariate(3, 2)
    tier = "simple" if simple > 0.6 else "medium" if simple > 0.45 else "frontier"
    domain = DomainFields("finance", 1.0, "term:mortgage", "frontier") if draw.random() < 0.05 else DomainFields()
    if domain.name:
        tier = "frontier"
    hit = draw.random() < 0.15
    cache = CacheFields("miss", similarity=draw.random(), p_same=draw.random(), guard="similarity")
    if hit:
        kind = draw.choice(("exact", "semantic"))
        p_same = None if kind == "exact" else draw.uniform(0.9, 1.0)
        cache = CacheFields("hit", kind, 0.97, p_same, f"{draw.getrandbits(256):064x}", None, 60.0)
    failed = not hit and draw.random() < 0.02
    judged = not hit and not failed and tier != "frontier"
    confidence = draw.betavariate(6, 2)
    escalated = judged and confidence < 0.5
    gate = GateFields()
    if judged:
        verdict = "escalate" if escalated else "trust" if confidence > 0.85 else "review"
        held = draw.uniform(0.1, 900.0)
        gate = GateFields(
            mode="whole", signals={"own_logprob": -0.2}, confidence=confidence, verdict=verdict,
            escalated_to="frontier" if escalated else None, held_ms=held,
        )  # fmt: skip
    answered = "frontier" if escalated else tier
    tokens = TokenFields(draw.randint(5, 3_000), draw.randint(1, 900))
    team, key = draw.randrange(10), draw.randrange(60)
    total_ms = draw.lognormvariate(3 if hit else 6.5, 0.7)
    stages = {"rules": draw.uniform(0.1, 0.5), "classify": draw.uniform(0.5, 2.0), "decide": draw.uniform(0.1, 0.4)}
    stages |= {"cache": draw.uniform(0.1, 4.0), "overhead": draw.uniform(1.0, 9.0), "total": total_ms}
    return DecisionRecord(
        request_id=f"{draw.getrandbits(128):032x}",
        time=made.isoformat(timespec="milliseconds"),
        policy_version="6a470b0155af",
        entry_model="auto",
        call_type=draw.choice(_CALLS),
        stream=draw.random() < 0.5,
        tenant=Tenant(f"team-{team}", f"Team {team}", f"key-{key}", f"{key:064x}", f"user-{draw.randrange(20_000)}"),
        litellm_call_id=f"{draw.getrandbits(128):032x}",
        domain=domain,
        scores=ScoreFields(
            {"simple": simple, "medium": (1 + simple) / 2, "frontier": 1.0}, 10 * (1 - simple), "embedding/head-4",
            draw.random(), draw.choice(_INTENTS),
        ),
        tier=answered,
        decided_tier=tier,
        model_group=f"tier-{answered}",
        deployment=f"{draw.randrange(6):064x}",
        causes=[Cause.DOMAIN_RULE.value if domain.name else Cause.SCORE.value],
        cache=cache,
        gate=gate,
        experiment=ExperimentFields("pilot" if draw.random() < 0.1 else None),
        latency_ms=stages | ({"ttft": total_ms / 3} if draw.random() < 0.5 else {}),
        tokens=tokens,
        cost=_cost(draw, tier, answered, tokens, hit, failed),
        outcome=OutcomeFields("error", "Timeout") if failed else OutcomeFields("ok"),
    )  # fmt: skip


def _cost(draw: random.Random, first: str, answered: str, tokens: TokenFields, hit: bool, failed: bool) -> CostFields:
    if failed or draw.random() < 0.005:
        return CostFields()
    at = {tier: tokens.input * usd[0] + tokens.output * usd[1] for tier, usd in _USD.items()}
    escalation = at[answered] if answered != first else 0.0
    return cost_of(0.0 if hit else at[first], at, escalation=escalation, embedding=1e-7)
