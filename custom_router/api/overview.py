"""Routes that show how routing does as a whole: the report, the classifier and the gate, the experiments."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Response

from custom_router.api.answers import api_routes, told
from custom_router.api.report_child import ReportChild, ReportFailed
from custom_router.api.visitor import Guards
from custom_router.confidence.calibrate import Entry, GateArtifact, GateRefused
from custom_router.policy import Policy
from custom_router.runtime import Runtime

CURVE = tuple(number / 2 for number in range(-12, 13))
"""Scores, in log odds, at which a calibration curve is shown."""

Since = Annotated[str, Query(min_length=1, max_length=40)]


def build_overview_routes(runtime: Runtime, guards: Guards, reports: ReportChild) -> APIRouter:
    """For administrators."""
    routes, admin = api_routes(), [Depends(guards.admin)]

    async def report(since: str) -> dict[str, Any]:
        try:
            return await reports.report(since, runtime.engine.policy.document.costs.fixed_usd_per_month)
        except ValueError as error:
            raise HTTPException(422, str(error)) from None
        except ReportFailed as error:
            raise HTTPException(503, str(error)) from error

    @routes.get("/router/api/overview", dependencies=admin)
    async def overview(since: Since = "24h") -> Response:
        """The report of all workers, and this worker's health."""
        return told({**await report(since), "health": runtime.health()})

    @routes.get("/router/api/classifier", dependencies=admin)
    async def classifier(since: Since = "7d") -> Response:
        """What the classifier and the gate were fitted on, how well they do, and whether traffic has moved away."""
        policy = runtime.engine.policy
        made = await report(since)
        return told(
            {
                "kind": policy.document.classifier.kind,
                "head": runtime.engine.classification.head_metadata(policy),
                "gate": _gate(runtime, policy),
                "reliability": {"confidence": made.get("confidence"), "scores": made.get("scores")},
                "period": made.get("period"),
                "generated_at": made.get("generated_at"),
                "drift": runtime.finished.drift.report(),
            }
        )

    @routes.get("/router/api/experiments", dependencies=admin)
    async def experiments(since: Since = "7d") -> Response:
        """Each experiment's arms, as the report tells them."""
        made = await report(since)
        by = made.get("by") or {}
        when = {name: made.get(name) for name in ("period", "generated_at")}
        return told({**when, "experiments": by.get("experiment") or []})

    return routes


def _gate(runtime: Runtime, policy: Policy) -> dict[str, Any]:
    try:
        artifact = runtime.gatekeeper.calibration(policy)
    except GateRefused as error:
        return {"error": str(error)}
    settings = policy.document.gate
    return {
        "enabled": settings.enabled,
        "escalate_below": settings.escalate_below,
        "trust_from": settings.trust_from,
        **_described(artifact),
    }


def _described(artifact: GateArtifact) -> dict[str, Any]:
    return {
        "version": artifact.version,
        "data": [source.model_dump() for source in artifact.data],
        "calibrators": [_curve(entry) for entry in (*artifact.entries, *artifact.fallbacks)],
    }


def _curve(entry: Entry) -> dict[str, Any]:
    return {
        **entry.model_dump(exclude={"calibrator"}),
        "curve": [{"score": score, "confidence": round(entry.calibrator(score), 4)} for score in CURVE],
    }
