"""api.md and receipts.md say what the routes are, who may call them, and what goes in and out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

import pytest
from fastapi.routing import APIRoute

from custom_router.api.decisions import Asked
from custom_router.api.explain import As, Explain
from custom_router.api.mount import FOR_ANY_KEY, build_api
from custom_router.api.visitor import Guards
from custom_router.encoder.fake import FakeEncoder
from custom_router.engine import RouterEngine
from custom_router.receipts.aftermath import Aftermath
from custom_router.receipts.effect import Effect
from custom_router.receipts.explanation import Explanation
from custom_router.records.sinks import MemorySink
from custom_router.runtime import Runtime
from tests.api.app import Deployments, admin, application, changing, client, visitor
from tests.docs.documents import ROOT, codes, table

WHO = {"any key": visitor, "admin": admin, "admin who may change": changing}


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    made = Runtime(RouterEngine(ROOT / "routing_policy.yaml", load_encoder=FakeEncoder), MemorySink())
    yield made
    made.close()


def _flat(routes: object) -> Iterator[APIRoute]:
    for route in routes:  # type: ignore[attr-defined]
        if isinstance(route, APIRoute):
            yield route
        else:
            yield from _flat(route.original_router.routes)


def test_every_route_is_listed_with_who_may_call_it(runtime: Runtime) -> None:
    known = {}
    for route in _flat(build_api(runtime, Guards(visitor, admin, changing), Deployments()).routes):
        (method,) = route.methods
        guards = {dependency.call for dependency in route.dependant.dependencies} & set(WHO.values())
        assert len(guards) == 1, route.path
        known[f"{method} {route.path}"] = guards.pop()
    shown = {codes(row[0])[0]: WHO[row[1].partition(",")[0]] for row in table("api.md", "route")}
    assert shown == known
    assert {path.split(" ")[1] for path, guard in known.items() if guard is visitor} == set(FOR_ANY_KEY)


def test_parameters_are_listed() -> None:
    assert {codes(row[0])[0] for row in table("api.md", "parameter")} == set(Asked.model_fields)


def listed(page: str, header: str) -> set[str]:
    return {name for row in table(page, header) for name in codes(row[0])}


def test_what_explain_takes_is_listed() -> None:
    body = {field.alias or name for name, field in Explain.model_fields.items()}
    assert listed("receipts.md", "body") == body - {"prompt", "messages", "request"}
    (as_,) = [row[1] for row in table("receipts.md", "body") if codes(row[0]) == ["as"]]
    assert {code for code in codes(as_) if "." not in code} == set(As.model_fields)


def test_what_an_explanation_and_an_effect_hold_is_listed() -> None:
    explanation = {field.name for field in fields(Explanation)}
    aftermath = {f"aftermath.{field.name}" for field in fields(Aftermath)}
    assert listed("receipts.md", "explanation") == explanation | aftermath
    effect = {f"effect.{field.name}" for field in fields(Effect)}
    assert listed("api.md", "check") == effect | {"ok", "findings", "effect"}


async def test_what_the_routes_answer_is_listed(runtime: Runtime) -> None:
    async with client(application(runtime)) as http:
        explained = (await http.post("/router/explain", json={"prompt": "hello"})).json()
        policy = (await http.get("/router/api/policy")).json()
    assert listed("receipts.md", "answer") == set(explained)
    assert listed("api.md", "policy") == set(policy)
