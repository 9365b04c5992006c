"""The classification stage with the vLLM classifier: the shipped head, a fake encoder and the simulator as vLLM."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from custom_router.causes import Cause
from custom_router.decision import Decision
from custom_router.encoder.fake import FakeEncoder
from custom_router.engine import RouterEngine
from custom_router.policy import PolicyError
from custom_router.request import RequestView
from custom_router.simulator import Simulator
from custom_router.tiers import Tier

POLICY = """\
tiers:
  simple: {{model: s, threshold: {simple}}}
  medium: {{model: m, threshold: 0.9}}
  frontier: {{model: f}}
classifier: {{kind: {kind}, vllm: {{url: '{url}', model: m}}, hybrid: {{band: {band}}}}}
latency_budget_ms: {{encoder: 30000, rules: 30000, vllm: {budget}}}
"""


class Stand(FakeEncoder):
    """Passes for the encoder that the shipped models were fitted on."""

    def __init__(self) -> None:
        super().__init__()
        self.version = "minilm-l6-v2/int8-pc"


Make = Callable[..., RouterEngine]


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator() as running:
        yield running


@pytest.fixture
async def make(tmp_path: Path, sim: Simulator) -> AsyncIterator[Make]:
    made: list[RouterEngine] = []

    def build(**given: Any) -> RouterEngine:
        path = tmp_path / f"policy{len(made)}.yaml"
        made.append(RouterEngine(write(path, sim, **given), load_encoder=Stand))
        made[-1].encoder.load_now()
        return made[-1]

    yield build
    for engine in made:
        engine.close()


def write(path: Path, sim: Simulator, **given: Any) -> Path:
    settings = {"kind": "hybrid", "band": 1.0, "simple": 0.5, "budget": 30_000, "url": f"{sim.url}/vllm", **given}
    path.write_text(POLICY.format(**settings))
    return path


def chat(text: str) -> RequestView:
    return RequestView.from_chat({"messages": [{"role": "user", "content": text}]})


async def ready(engine: RouterEngine) -> RouterEngine:
    engine.classification.prepare(engine.policy)
    async with asyncio.timeout(30):
        while engine.classification.vllm_health(engine.policy)["state"] != "ready":  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return engine


async def asked(sim: Simulator) -> int:
    """Questions the classifier has had, the canary's apart."""
    async with httpx.AsyncClient(trust_env=False) as http:
        log = (await http.get(f"{sim.url}/_sim/log")).json()["providers"].get("vllm", {"requests": []})
    return sum(r["path"].endswith("/chat/completions") for r in log["requests"]) - 1


def heard(decision: Decision) -> bool | None:
    assert decision.reading is not None
    return None if decision.reading.opinion is None else decision.reading.opinion.heard


async def test_in_the_band_both_have_a_say(make: Make, sim: Simulator) -> None:
    engine = await ready(make())
    decision = await engine.decide(chat("Name a colour that goes with grey."))
    assert heard(decision)
    assert decision.reading is not None
    assert decision.reading.own is not None
    assert decision.source == f"{decision.reading.own.source}+vllm/m"
    assert decision.p_ok["simple"] != round(decision.reading.own.p_ok[Tier.SIMPLE], 6)
    assert decision.causes == (Cause.SCORE,)
    assert await asked(sim) == 1


async def test_outside_the_band_it_is_not_asked(make: Make, sim: Simulator) -> None:
    engine = await ready(make(band=0.0))
    decision = await engine.decide(chat("Name a colour that goes with grey."))
    assert heard(decision) is None
    assert await asked(sim) == 0


async def test_a_repeated_prompt_asks_nobody(make: Make, sim: Simulator) -> None:
    engine = await ready(make())
    first, second = [await engine.decide(chat("Name a colour that goes with grey."), tenant="t") for _ in range(2)]
    assert first.reading is not None
    assert second.reading is not None
    assert (first.reading.cached, second.reading.cached) == (False, True)
    assert (first.tier, first.p_ok, first.source) == (second.tier, second.p_ok, second.source)
    assert await asked(sim) == 1
    await engine.decide(chat("Name a colour that goes with grey."), tenant="another")
    assert await asked(sim) == 2


async def test_down_it_leaves_the_embedding_and_is_asked_again_for_the_same_prompt(make: Make, sim: Simulator) -> None:
    engine = make(url="http://127.0.0.1:9")
    for _ in range(2):
        decision = await engine.decide(chat("Name a colour that goes with grey."), tenant="t")
        assert heard(decision) is False
        assert decision.causes == (Cause.SCORE, Cause.VLLM_UNAVAILABLE)
        assert decision.source.startswith("embedding/")
        assert "+" not in decision.source
    assert engine.classification.vllm_health(engine.policy)["needed"]


async def test_a_batch_waits_for_it(make: Make, sim: Simulator) -> None:
    decisions = await make(budget=0.001).decide_many([chat("Name a colour."), chat("Name a fruit.")])
    assert [heard(decision) for decision in decisions] == [True, True]


async def test_another_server_in_the_policy_is_probed_before_it_is_asked(make: Make, sim: Simulator) -> None:
    engine = make(url="http://127.0.0.1:9")
    engine.classification.prepare(engine.policy)
    assert heard(await engine.decide(chat("Name a colour."))) is False

    async def edit(state: str, **given: Any) -> None:
        write(Path(engine.watcher.status.source), sim, **given)
        await asyncio.to_thread(engine.watcher.check)
        async with asyncio.timeout(30):
            while engine.classification.vllm_health(engine.policy)["state"] != state:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    await edit("ready")
    assert heard(await engine.decide(chat("Name a colour."))) is True
    await edit("unused", kind="embedding")
    assert heard(await engine.decide(chat("Name a colour."))) is None
    await edit("ready")


def test_one_engine_serves_several_loops(tmp_path: Path) -> None:
    with Simulator() as sim:
        engine = RouterEngine(write(tmp_path / "policy.yaml", sim), load_encoder=Stand)
        for number in range(2):
            decisions = asyncio.run(engine.decide_many([chat(f"Name {number} colours.")]))
            assert [heard(decision) for decision in decisions] == [True]
        engine.close()


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("null", "needs vllm.url"),
        ("ftp://x", "must begin with http"),
        ("http://user:pw@x", "no user and no password"),
        ("http://", "a scheme, a host"),
        ("http://[x", "url"),
        ("http://x:port", "url"),
        ("http://x?key=1", "a scheme, a host"),
    ],
)
def test_a_policy_without_a_usable_address_is_refused(tmp_path: Path, url: str, told: str) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY.format(kind="vllm", band=0.1, simple=0.5, budget=25, url=url).replace("'null'", "null"))
    with pytest.raises(PolicyError, match=told):
        RouterEngine.from_policy(path)
