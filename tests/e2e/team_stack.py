"""A proxy with a database, teams and keys; its gate and cache are certain to act, and its caps are strict."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from tests.e2e.cache_stack import CacheProxy, cache_policy, cache_replay
from tests.e2e.conftest import ROOT, wait_until
from tests.e2e.gate_stack import GateStack, gate_config
from tests.virtual_keys.database import missing, postgres, prepare

DOMAIN = {"medical": {"tier": "frontier", "gate": "on", "cache": "team", "rules": {"terms": ["insulin"]}}}
LOG = 'SELECT api_key, model_group, spend, metadata FROM "LiteLLM_SpendLogs"'
# LiteLLM looks for rows to write ever more seldom while few come, at least every 30 s.
WRITTEN_S = 120


@dataclass(frozen=True)
class Logged:
    """A row of LiteLLM's spend log; `request_id` is ours, None for what was not routed."""

    key_hash: str
    group: str
    spend: float
    request_id: str | None


@dataclass
class Teams:
    """The running stack and its database."""

    proxy: CacheProxy
    database: str
    ids: dict[str, str] = field(default_factory=dict)

    def team(self, alias: str, router: Mapping[str, Any] | None = None, **fields: Any) -> str:
        """A new team, by its id; `router` are its settings."""
        body = {"team_alias": alias, "models": ["auto"], "metadata": {"router": dict(router or {})}, **fields}
        given = self.proxy.http.post("/team/new", json=body)
        assert given.status_code == 200, given.text
        self.ids[alias] = str(given.json()["team_id"])
        return self.ids[alias]

    def key(self, alias: str, team: str | None = None, router: Mapping[str, Any] | None = None, **fields: Any) -> str:
        """A new key; `team` is an alias, `router` are its settings."""
        body = {"key_alias": alias, "models": ["auto"], "metadata": {"router": dict(router or {})}, **fields}
        if team is not None:
            body["team_id"] = self.ids[team]
        given = self.proxy.http.post("/key/generate", json=body)
        assert given.status_code == 200, given.text
        return str(given.json()["key"])

    def logged(self) -> list[Logged]:
        """LiteLLM's spend log."""
        with psycopg.connect(self.database) as connection:
            rows = connection.execute(LOG).fetchall()
        found = []
        for key_hash, group, spend, metadata in rows:
            told = metadata if isinstance(metadata, dict) else json.loads(metadata or "{}")
            router = (told.get("spend_logs_metadata") or {}).get("router") or {}
            found.append(Logged(key_hash, group or "", float(spend), router.get("request_id")))
        return found


def team_policy(work: Path) -> Path:
    """The cache tests' policy with a domain, whose tier does not win over a cap."""
    path = cache_policy(work)
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    document |= {"domains": DOMAIN, "callers": {"domain_over_cap": False}}
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


@contextmanager
def team_stack(work: Path, *, arguments: tuple[str, ...] = (), **environment: str) -> Iterator[Teams]:
    """A running stack. Skips the test where virtual keys cannot be had."""
    if absent := missing():
        pytest.skip(f"real virtual keys need {', '.join(absent)}: apt-get install postgresql nodejs npm")
    prepared = ROOT / "var" / "virtual-keys"
    engine = prepare(prepared)
    with postgres(prepared / "migrations.sql") as url:
        extra = {**engine, "DATABASE_URL": url, "PROXY_BATCH_WRITE_AT": "2", **environment}
        stack = GateStack(
            gate_config(work), team_policy(work), work, latency_scale=0.0, replay=cache_replay(work / "replay.jsonl"),
            extra_env=extra, arguments=arguments,
        )  # fmt: skip
        with stack:
            proxy = CacheProxy(stack)
            proxy.send("chat", "Load the encoder, please.")
            wait_until(lambda: proxy.health()["encoder"]["state"] == "ready", 60)
            yield Teams(proxy, url)


def requests_to_send(default: int) -> int:
    """How many mixed requests are sent: `ROUTER_TRAFFIC_REQUESTS`, else the default."""
    return int(os.environ.get("ROUTER_TRAFFIC_REQUESTS", str(default)))
