"""The router's routes in a FastAPI application of their own, with keys that stand for LiteLLM's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import orjson
from fastapi import FastAPI, Header, HTTPException

from custom_router.api.mount import build_api
from custom_router.api.visitor import Guards, Visitor
from custom_router.cache.key import CacheTenant
from custom_router.decision import NO_LIMITS, Capability
from custom_router.policy import Finding, Policy, PolicyError, resolve_caller
from custom_router.policy.schema import Tiers
from custom_router.records.cost import Price
from custom_router.records.record import CacheFields, DecisionRecord, DomainFields, OutcomeFields, Tenant
from custom_router.runtime import Runtime
from custom_router.tiers import TIERS, Tier

KEYS: dict[str, dict[str, Any]] = {
    "admin": {"admin": True, "may_change": True},
    "auditor": {"admin": True},
    "red": {"team": "red"},
    "red2": {"team": "red"},
    "blue": {"team": "blue", "settings": {"max_tier": "medium", "cache": "private"}},
    "lone": {},
    "loner": {},
}


async def visitor(authorization: str = Header("")) -> Visitor:
    """Who a bearer token is."""
    key = authorization.removeprefix("Bearer ")
    if (known := KEYS.get(key)) is None:
        raise HTTPException(401, "no such key")
    return Visitor(
        admin=known.get("admin", False),
        may_change=known.get("may_change", False),
        tenant=CacheTenant(f"hash-{key}", known.get("team")),
        key_alias=f"{key}-alias",
        caller=lambda policy: resolve_caller(policy, key_settings=known.get("settings", {}), team=known.get("team")),
    )


async def admin(authorization: str = Header("")) -> Visitor:
    """The same for administrators only."""
    found = await visitor(authorization)
    if not found.admin:
        raise HTTPException(403, "this route needs the proxy's admin key")
    return found


async def changing(authorization: str = Header("")) -> Visitor:
    """The same for those who may change things."""
    found = await admin(authorization)
    if not found.may_change:
        raise HTTPException(403, "this route needs the proxy's admin key")
    return found


@dataclass(frozen=True)
class Facts:
    """What is known of three deployments."""

    capabilities: Mapping[Tier, Capability] = field(default_factory=lambda: NO_LIMITS)
    prices: Mapping[Tier, Price] = field(
        default_factory=lambda: {t: Price(10.0**t.rank * 1e-7, 10.0**t.rank * 1e-6) for t in TIERS}
    )
    models: str = "simple=a medium=b frontier=c"
    cache_group: str | None = "tier-cache"


class Deployments:
    """Deployments that never change."""

    def tier_facts(self, tiers: Tiers) -> Facts:
        return Facts()

    def refuse_unknown_groups(self, policy: Policy) -> None:
        for tier in TIERS:
            if not policy.document.tiers[tier].model.startswith("tier-"):
                raise PolicyError([Finding(policy.source, 0, f"tiers.{tier}.model", "no such model group")])


def application(runtime: Runtime) -> FastAPI:
    """An application that serves the routes of one runtime."""
    app = FastAPI()
    app.include_router(build_api(runtime, Guards(visitor, admin, changing), Deployments()))
    return app


def client(app: FastAPI, key: str | None = "admin") -> httpx.AsyncClient:
    """Somebody who asks with a key."""
    headers = {"Authorization": f"Bearer {key}"} if key is not None else {}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://router", headers=headers)


def record(number: int, key: str = "red", **fields: Any) -> DecisionRecord:
    """A finished request of a key, `number` seconds after the hour."""
    made = DecisionRecord(
        request_id=f"{number:032x}",
        time=f"2026-11-25T12:{number // 60 % 60:02d}:{number % 60:02d}.000+00:00",
        policy_version="p1",
        entry_model="auto",
        call_type="chat",
        stream=False,
        tenant=Tenant(KEYS[key].get("team"), key_alias=f"{key}-alias", key_hash=f"hash-{key}"),
        litellm_call_id=f"call-{number}",
        domain=DomainFields(),
        tier="simple",
        decided_tier="simple",
        causes=["score"],
        cache=CacheFields("miss"),
        outcome=OutcomeFields("ok"),
    )
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def segment(directory: Path, name: str, records: list[DecisionRecord]) -> Path:
    """A segment as a worker writes it, last changed when its last record was made."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"decisions-{name}.jsonl"
    path.write_bytes(b"".join(made.to_json() + b"\n" for made in records))
    last = max(datetime.fromisoformat(made.time).timestamp() for made in records)
    os.utime(path, (last + 1, last + 1))
    return path


def ids(answer: httpx.Response) -> list[int]:
    """The numbers of the records in a list."""
    assert answer.status_code == 200, answer.text
    return [int(made["request_id"], 16) for made in orjson.loads(answer.content)["decisions"]]
