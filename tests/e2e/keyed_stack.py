"""A proxy with a database of its own, so that teams and virtual keys are LiteLLM's real ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.e2e.gate_stack import GateProxy, GateStack, gate_config, write_replay
from tests.virtual_keys.database import missing, postgres, prepare

# LiteLLM looks for rows to write ever more seldom while few come, at least every 30 s.
WRITTEN_S = 120
_SPENT = 'SELECT api_key, spend, metadata FROM "LiteLLM_SpendLogs"'


class KeyedProxy(GateProxy):
    """What tests with real keys ask of a stack."""

    def __init__(self, stack: GateStack, database: str) -> None:
        super().__init__(stack)
        self.database = database

    def made(self, path: str, **body: Any) -> dict[str, Any]:
        """What LiteLLM answers to a management call."""
        given = self.http.post(path, json=body)
        assert given.status_code == 200, given.text
        return dict(given.json())

    def ask_as(self, key: str, kind: str, prompt: str, **options: Any) -> httpx.Response:
        """One request with a virtual key."""
        return self.ask(kind, prompt, headers={"Authorization": f"Bearer {key}"}, **options)

    def spent(self) -> dict[str, float]:
        """Dollars in LiteLLM's spend log by hashed key."""
        found: dict[str, float] = {}
        with psycopg.connect(self.database) as connection:
            for key, spend, _ in connection.execute(_SPENT).fetchall():
                found[key] = found.get(key, 0.0) + float(spend)
        return found


@contextmanager
def keyed_proxy(
    work: Path, policy: Path, config: Path | None = None, kind: type[GateStack] = GateStack, **more: str
) -> Iterator[KeyedProxy]:
    """A running proxy, `more` in its environment; skips the test where the machine lacks what real keys need."""
    if absent := missing():
        pytest.skip(f"real virtual keys need {', '.join(absent)}: apt-get install postgresql nodejs npm")
    prepared = Path(__file__).resolve().parents[2] / "var" / "virtual-keys"
    environment = prepare(prepared)
    with postgres(prepared / "migrations.sql") as url:
        extra = {**environment, "DATABASE_URL": url, "PROXY_BATCH_WRITE_AT": "2", **more}
        extra["GEMINI_API_KEY"] = "not-a-key"  # without one, LiteLLM's pass-through route ends before any hook
        replay = write_replay(work / "replay.jsonl")
        with kind(
            config or gate_config(work), policy, work, latency_scale=0.0, replay=replay, extra_env=extra
        ) as stack:
            yield KeyedProxy(stack, url)
