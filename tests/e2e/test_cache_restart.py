"""What a restart of the proxy leaves of a cache in memory."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.cache_stack import FRANCE, CacheProxy, cache_of, cache_policy, cache_replay
from tests.e2e.gate_stack import GateStack, gate_config


def test_a_file_brings_the_entries_back(tmp_path: Path) -> None:
    policy = cache_policy(tmp_path, file=str(tmp_path / "entries.bin"), semantic=False)
    config, replay = gate_config(tmp_path), cache_replay(tmp_path / "replay.jsonl")
    with GateStack(config, policy, tmp_path / "work", latency_scale=0.0, replay=replay) as stack:
        CacheProxy(stack).keep("chat", FRANCE)
    with GateStack(config, policy, tmp_path / "work", latency_scale=0.0, replay=replay) as stack:
        proxy = CacheProxy(stack)
        assert cache_of(proxy.send("chat", FRANCE)) == "hit"
        log = stack.workdir / "proxy.log"
    assert "Traceback" not in log.read_text(encoding="utf-8")
