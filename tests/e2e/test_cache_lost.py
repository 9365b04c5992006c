"""A stored answer that was found and cannot be given after all: a tier answers, and the record says so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from tests.e2e.cache_stack import CALLS, FRANCE, CacheProxy, cache_of, cache_policy, cache_replay, text_of
from tests.e2e.conftest import wait_until
from tests.e2e.gate_stack import GateStack, gate_config

BREAKS = '''\
from litellm.integrations.custom_logger import CustomLogger


class Breaks(CustomLogger):
    """Fails every call that is about to be answered from the cache."""

    async def async_pre_call_deployment_hook(self, kwargs, call_type):
        if "stored-answer" in str(kwargs.get("model")):
            raise RuntimeError("broken on the way")
        return None


handler = Breaks()
'''


@pytest.fixture(scope="module")
def lossy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CacheProxy]:
    work = tmp_path_factory.mktemp("lossy")
    path = gate_config(work)
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    config["litellm_settings"]["callbacks"].append("breaks.handler")
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    (work / "breaks.py").write_text(BREAKS, encoding="utf-8")
    replay = cache_replay(work / "replay.jsonl")
    with GateStack(path, cache_policy(work), work, latency_scale=0.0, replay=replay) as stack:
        yield CacheProxy(stack)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", CALLS)
def test_the_best_tier_answers_instead(lossy: CacheProxy, kind: str, stream: bool) -> None:
    lossy.idle()
    lossy.drop()
    lossy.keep(kind, FRANCE)
    lossy.simulator.post("/_sim/log/reset")
    response = lossy.send(kind, FRANCE, stream=stream)
    assert response.status_code == 200, response.text
    assert "Paris" in text_of(kind, response)
    assert sum(lossy.asked().values()) == 1
    record = lossy.record(response)
    assert (record["cache"]["status"], record["cache"]["guard"]) == ("miss", "lost")
    assert "cache_lost" in record["causes"]
    assert (record["tier"], record["model_group"]) == ("frontier", "tier-frontier")
    assert record["outcome"]["status"] == "ok"
    if (
        kind != "completion"
    ):  # LiteLLM 1.106 loses the usage of streamed completions, and bills much after one at nothing
        assert record["cost"]["total"] > 0
    if not stream and kind != "messages":  # for which LiteLLM does not say who answered
        assert cache_of(response) == "miss"


def test_a_capped_key_falls_back_to_no_more_than_its_cap(lossy: CacheProxy) -> None:
    lossy.idle()
    lossy.drop()
    with lossy.policy(callers={"max_tier": "medium"}):
        lossy.keep("chat", FRANCE)
        wait_until(lambda: lossy.stored() == 1)
        response = lossy.send("chat", FRANCE)
        assert (response.status_code, response.headers["x-router-tier"]) == (200, "medium")
        assert "cache_lost" in lossy.record(response)["causes"]
