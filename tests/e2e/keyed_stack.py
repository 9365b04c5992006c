"""A proxy with a database of its own, so that teams and virtual keys are LiteLLM's real ones."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.e2e.cache_stack import CacheProxy, cache_replay
from tests.e2e.conftest import ROOT, wait_until
from tests.e2e.gate_stack import GateProxy, GateStack, gate_config, write_replay
from tests.virtual_keys.database import missing, postgres, prepare

# LiteLLM looks for rows to write ever more seldom while few come, at least every 30 s.
WRITTEN_S = 120
_LOG = 'SELECT api_key, model_group, spend, metadata FROM "LiteLLM_SpendLogs"'


@dataclass(frozen=True)
class Logged:
    """A row of LiteLLM's spend log; `request_id` is ours, None for what was not routed."""

    key_hash: str
    group: str
    spend: float
    request_id: str | None


class KeyedProxy(GateProxy):
    """What tests with real keys ask of a stack."""

    def __init__(self, stack: GateStack, database: str) -> None:
        super().__init__(stack)
        self.database = database
        self.team_ids: dict[str, str] = {}
        """Of teams made here, by alias."""

    def made(self, path: str, **body: Any) -> dict[str, Any]:
        """What LiteLLM answers to a management call."""
        given = self.http.post(path, json=body)
        assert given.status_code == 200, given.text
        return dict(given.json())

    def team(self, alias: str, router: Mapping[str, Any] | None = None, **fields: Any) -> str:
        """A new team, by its id; `router` are its settings."""
        metadata = {"metadata": {"router": dict(router)}} if router is not None else {}
        made = self.made("/team/new", team_alias=alias, **{"models": ["auto"], **metadata, **fields})
        self.team_ids[alias] = str(made["team_id"])
        return self.team_ids[alias]

    def key(self, router: Any = None, **fields: Any) -> str:
        """A new key; `router` are its settings."""
        metadata = {"metadata": {"router": router}} if router is not None else {}
        return str(self.made("/key/generate", **{"models": ["auto"], **metadata, **fields})["key"])

    def ask_as(self, key: str, kind: str, prompt: str, **options: Any) -> httpx.Response:
        """One request with a virtual key."""
        return self.ask(kind, prompt, headers={"Authorization": f"Bearer {key}"}, **options)

    def logged(self) -> list[Logged]:
        """LiteLLM's spend log."""
        with psycopg.connect(self.database) as connection:
            rows = connection.execute(_LOG).fetchall()
        found = []
        for key_hash, group, spend, metadata in rows:
            told = metadata if isinstance(metadata, dict) else json.loads(metadata or "{}")
            router = (told.get("spend_logs_metadata") or {}).get("router") or {}
            found.append(Logged(key_hash, group or "", float(spend), router.get("request_id")))
        return found

    def spent(self) -> dict[str, float]:
        """Dollars in LiteLLM's spend log by our request id."""
        found: dict[str, float] = {}
        for row in self.logged():
            if row.request_id is not None:
                found[row.request_id] = found.get(row.request_id, 0.0) + row.spend
        return found


class KeyedCache(KeyedProxy, CacheProxy):
    """The same with the cache on."""


@contextmanager
def keyed_stack(
    work: Path,
    policy: Path,
    replay: Path,
    *,
    config: Path | None = None,
    kind: type[GateStack] = GateStack,
    arguments: tuple[str, ...] = (),
    **environment: str,
) -> Iterator[tuple[GateStack, str]]:
    """A running stack and its database; skips the test where the machine lacks what real keys need."""
    if absent := missing():
        pytest.skip(f"real virtual keys need {', '.join(absent)}: apt-get install postgresql nodejs npm")
    prepared = ROOT / "var" / "virtual-keys"
    engine = prepare(prepared)
    with postgres(prepared / "migrations.sql") as url:
        extra = {**engine, "DATABASE_URL": url, "PROXY_BATCH_WRITE_AT": "2", **environment}
        given = config or gate_config(work)
        with kind(given, policy, work, latency_scale=0.0, replay=replay, extra_env=extra, arguments=arguments) as stack:
            yield stack, url


@contextmanager
def keyed_proxy(
    work: Path, policy: Path, config: Path | None = None, kind: type[GateStack] = GateStack, **more: str
) -> Iterator[KeyedProxy]:
    """A running proxy with the gate's recorded answers, `more` in its environment."""
    # Without a key of the provider's, LiteLLM's pass-through route ends before any hook.
    passing = {"GEMINI_API_KEY": "not-a-key", **more}
    replay = write_replay(work / "replay.jsonl")
    with keyed_stack(work, policy, replay, config=config, kind=kind, **passing) as (stack, url):
        yield KeyedProxy(stack, url)


@contextmanager
def keyed_cache(
    work: Path, policy: Path, *, arguments: tuple[str, ...] = (), **environment: str
) -> Iterator[KeyedCache]:
    """A running proxy with the cache's recorded answers, the encoder loaded in the worker that answers."""
    replay = cache_replay(work / "replay.jsonl")
    with keyed_stack(work, policy, replay, arguments=arguments, **environment) as (stack, url):
        proxy = KeyedCache(stack, url)
        proxy.send("chat", "Load the encoder, please.")  # nothing but the cache needs it here
        wait_until(lambda: proxy.health()["encoder"]["state"] == "ready", 60)
        yield proxy
