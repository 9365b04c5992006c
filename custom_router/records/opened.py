"""A decision record as a request begins. Pure but for its time."""

from __future__ import annotations

from datetime import UTC, datetime

from custom_router.decision import Decision
from custom_router.lifecycle import Arrival
from custom_router.policy import Caller
from custom_router.records.record import DecisionRecord, DomainFields, ExperimentFields, logged_text
from custom_router.records.scoring import score_fields
from custom_router.request import RequestView


def open_record(view: RequestView, caller: Caller, arrival: Arrival, decision: Decision) -> DecisionRecord:
    """The record of a request that has been decided, without its outcome."""
    return DecisionRecord(
        request_id=arrival.request_id,
        time=datetime.now(UTC).isoformat(timespec="milliseconds"),
        policy_version=decision.policy_version,
        entry_model=arrival.entry_model,
        call_type=view.call_type.value,
        stream=view.stream,
        tenant=arrival.tenant,
        mode=decision.mode.value,
        litellm_call_id=arrival.litellm_call_id,
        domain=_domain_fields(decision),
        scores=score_fields(decision),
        tier=decision.served.value,
        decided_tier=decision.tier.value,
        decided_by=decision.set_by.value,
        causes=[cause.value for cause in decision.causes],
        experiment=ExperimentFields(caller.experiment),
        text=logged_text(view.text, caller.log_text),
    )


def _domain_fields(decision: Decision) -> DomainFields:
    domain, required = decision.domain, decision.domain_tier
    if domain is None:
        return DomainFields()
    return DomainFields(domain.name, round(domain.score, 6), domain.rule, required.value if required else None)
