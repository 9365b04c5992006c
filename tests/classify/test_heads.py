"""Which head a policy's requests are scored with, and that a replaced one is taken up by a running engine."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import yaml

from custom_router import RequestView, RouterEngine
from custom_router.classify.embedding import EmbeddingClassifier, HeadRefused
from custom_router.classify.heads import Heads, accept
from custom_router.encoder import StaticEncoder
from custom_router.policy import Policy, PolicyError
from tests.docs.documents import ROOT

VIEW = RequestView.from_chat({"messages": [{"role": "user", "content": "What is the capital of Mongolia?"}]})


def write_head(path: Path, version: str, intercept: float) -> None:
    """The shipped head with another intercept for both tiers, written as `promote` does: beside, then swapped in."""
    shipped = EmbeddingClassifier.load(encoder_version="minilm-l6-v2/static")
    calibration = shipped.head.calibration.copy()
    calibration[:, 0] = intercept
    head = dataclasses.replace(shipped.head, calibration=np.asarray(calibration, np.float32))
    beside = path.with_suffix(".new")
    EmbeddingClassifier(head, shipped.typicality, {**shipped.metadata, "version": version}).save(beside)
    beside.replace(path)


def write_policy(path: Path, artifact: str | None) -> Path:
    document = yaml.safe_load((ROOT / "routing_policy.yaml").read_text("utf-8"))
    document["classifier"]["artifact"] = artifact
    document["domains"] = {}
    path.write_text(yaml.safe_dump(document), "utf-8")
    return path


def test_a_policy_without_an_artifact_has_the_shipped_head_with_intents() -> None:
    heads = Heads(StaticEncoder.load())
    policy = Policy.load(ROOT / "routing_policy.yaml")
    head = heads.of(policy)
    assert head.version == EmbeddingClassifier.load(encoder_version="minilm-l6-v2/static").version
    assert head.intents is not None
    assert heads.of(policy) is head


def test_a_replaced_artifact_is_another_head_and_the_old_policy_keeps_its_own(tmp_path: Path) -> None:
    write_head(tmp_path / "own.npz", "own-1", 3.0)
    heads = Heads(StaticEncoder.load())
    before = Policy.load(write_policy(tmp_path / "policy.yaml", "own.npz"))
    assert heads.of(before).version == "embedding/own-1"
    write_head(tmp_path / "own.npz", "own-2", -3.0)
    assert heads.of(Policy.load(tmp_path / "policy.yaml")).version == "embedding/own-2"
    assert heads.of(before).version == "embedding/own-1"


def test_an_artifact_that_cannot_be_used_is_refused_before_it_applies(tmp_path: Path) -> None:
    policy = Policy.load(write_policy(tmp_path / "policy.yaml", "absent.npz"))
    with pytest.raises(PolicyError, match=r"classifier\.artifact.*absent\.npz"):
        accept(policy)
    with pytest.raises(HeadRefused):
        Heads(StaticEncoder.load()).of(policy)


def test_a_running_engine_takes_up_a_promoted_head_and_keeps_the_good_one(tmp_path: Path) -> None:
    write_head(tmp_path / "own.npz", "own-1", 3.0)
    engine = RouterEngine.from_policy(write_policy(tmp_path / "policy.yaml", "own.npz"))

    async def decided() -> tuple[str, str]:
        (decision,) = await engine.decide_many([VIEW])
        return decision.source, decision.tier.value

    try:
        assert asyncio.run(decided()) == ("embedding/own-1", "simple")
        write_head(tmp_path / "own.npz", "own-2", -3.0)
        engine.watcher.check()
        assert asyncio.run(decided()) == ("embedding/own-2", "frontier")
        (tmp_path / "own.npz").write_bytes(b"half a file")
        engine.watcher.check()
        assert "not a head artifact" in str(engine.watcher.status.findings[0])
        assert asyncio.run(decided()) == ("embedding/own-2", "frontier")
    finally:
        engine.close()
