"""train, model and matrix as a person would type them, and an engine that takes up what they did."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
import yaml

from custom_router import RequestView, RouterEngine
from custom_router.classify.embedding import EmbeddingClassifier
from custom_router.policy import Policy
from custom_router.tiers import TIERS
from tests.cli.cli_calls import run
from tests.docs.documents import ROOT
from tests.learn.own_traffic import lines, write

ENCODER = "minilm-l6-v2/static"


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    return Path(shutil.copy(ROOT / "routing_policy.yaml", tmp_path / "policy.yaml"))


@pytest.fixture(scope="module")
def candidate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    out = folder / "candidate.npz"
    result = run("train", "--data", write(folder / "own.jsonl", 1_500), "--out", out)
    assert result.exit_code == 0, result.output
    assert "better than embedding/head-" in result.stdout
    assert "held-out time" in result.stdout
    return out


def test_a_candidate_is_promoted_taken_up_by_a_running_engine_and_rolled_back(candidate: Path, policy: Path) -> None:
    comments = [line for line in policy.read_text("utf-8").splitlines() if line.lstrip().startswith("#")]
    engine = RouterEngine.from_policy(policy)
    view = RequestView.from_chat({"messages": [{"role": "user", "content": "Explain voucher order 3 to a customer."}]})

    def source() -> str:
        engine.watcher.check()
        (decision,) = asyncio.run(engine.decide_many([view]))
        return decision.source

    try:
        shipped = source()
        own = EmbeddingClassifier.load(candidate, encoder_version=ENCODER).version
        assert run("model", "promote", candidate, "--policy", policy).exit_code == 0
        assert source() == own
        assert set(comments) <= set(policy.read_text("utf-8").splitlines())
        assert run("model", "rollback", "--policy", policy).exit_code == 0
        assert source() == shipped
    finally:
        engine.close()
    again = run("model", "rollback", "--policy", policy)
    assert again.exit_code == 1
    assert "already" in again.stderr


def test_rollback_swaps_two_promoted_heads_and_back(candidate: Path, policy: Path, tmp_path: Path) -> None:
    assert run("model", "promote", candidate, "--policy", policy).exit_code == 0
    first = EmbeddingClassifier.load(policy.with_name("head.npz"), encoder_version=ENCODER)
    second = tmp_path / "second.npz"
    comparison = {**first.metadata["comparison"], "incumbent": first.version}
    metadata = {**first.metadata, "version": "own-second", "comparison": comparison}
    EmbeddingClassifier(first.head, first.typicality, metadata).save(second)
    assert run("model", "promote", second, "--policy", policy).exit_code == 0

    def serving() -> str:
        return EmbeddingClassifier.load(policy.with_name("head.npz"), encoder_version=ENCODER).version

    for expected in ("embedding/own-second", first.version, "embedding/own-second"):
        assert serving() == expected
        assert run("model", "rollback", "--policy", policy).exit_code == 0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"worse": ["tail: high stakes"]}, "worse beyond noise on: tail: high stakes"),
        ({"incumbent": "embedding/another"}, "train it again"),
    ],
)
def test_promote_refuses_and_changes_nothing(
    candidate: Path, policy: Path, tmp_path: Path, change: dict[str, object], told: str
) -> None:
    head = EmbeddingClassifier.load(candidate, encoder_version=ENCODER)
    metadata = {**head.metadata, "comparison": {**head.metadata["comparison"], **change}}
    EmbeddingClassifier(head.head, head.typicality, metadata).save(tmp_path / "bad.npz")
    before = policy.read_bytes()
    result = run("model", "promote", tmp_path / "bad.npz", "--policy", policy)
    assert result.exit_code == 1
    assert told in result.stderr
    assert policy.read_bytes() == before
    assert not policy.with_name("head.npz").exists()


def test_a_head_that_is_worse_than_the_one_that_serves_is_found_out(policy: Path, tmp_path: Path) -> None:
    """It learned the opposite of what came true afterwards."""
    given = lines(1_500)
    for line in given[:1_200]:
        scores = line["scores"]
        assert isinstance(scores, dict)
        scores["simple"], scores["medium"] = 1.0 - scores["simple"], 1.0 - scores["simple"]
    data, out = tmp_path / "own.jsonl", tmp_path / "worse.npz"
    data.write_text("".join(json.dumps(line) + "\n" for line in given), "utf-8")
    result = run("train", "--data", data, "--out", out)
    assert "worse" in result.output
    worse = EmbeddingClassifier.load(out, encoder_version=ENCODER).metadata["comparison"]["worse"]
    assert any("held-out time" in name for name in worse), worse
    refused = run("model", "promote", out, "--policy", policy)
    assert (refused.exit_code, "worse beyond noise" in refused.stderr) == (1, True)


def test_the_first_promote_leaves_a_strangers_file_alone(candidate: Path, policy: Path) -> None:
    stranger = policy.with_name("head.npz")
    stranger.write_bytes(b"not ours")
    result = run("model", "promote", candidate, "--policy", policy)
    assert result.exit_code == 1
    assert "move it away" in result.stderr
    assert stranger.read_bytes() == b"not ours"
    shutil.copy(candidate, stranger)  # the candidate itself, already in its place
    assert run("model", "promote", stranger, "--policy", policy).exit_code == 0
    assert Policy.load(policy).document.classifier.artifact == "head.npz"


def test_the_shipped_head_was_never_compared_and_cannot_be_promoted(policy: Path) -> None:
    shipped = ROOT / "custom_router" / "artifacts" / "head.npz"
    result = run("model", "promote", shipped, "--policy", policy)
    assert result.exit_code == 1
    assert "tier-router train" in result.stderr


def test_model_show_names_data_licences_and_figures(candidate: Path, policy: Path) -> None:
    shown = run("model", "show", "--policy", policy).stdout
    for expected in ("embedding/head-", "Apache-2.0", "MIT", "labelled by the authors", "pooled_apgr"):
        assert expected in shown
    assert "held-out time" in run("model", "show", candidate).stdout
    assert json.loads(run("model", "show", candidate, "--json").stdout)["built_on"].startswith("embedding/head-")


def test_train_says_what_is_missing(tmp_path: Path) -> None:
    few = run("train", "--data", write(tmp_path / "few.jsonl", 20), "--out", tmp_path / "out.npz")
    assert few.exit_code == 1
    assert "least" in few.stderr
    none = run("train", "--data", tmp_path / "absent.jsonl", "--out", tmp_path / "out.npz")
    assert none.exit_code == 1
    assert "absent.jsonl" in none.stderr
    assert not (tmp_path / "out.npz").exists()


def test_matrix_prints_and_sets_thresholds_that_keep_the_limit(policy: Path, tmp_path: Path) -> None:
    data = write(tmp_path / "own.jsonl", 600)
    result = run("matrix", "--data", data, "--policy", policy, "--strong-share", "0.4", "--write")
    assert result.exit_code == 0, result.output
    assert "routing alone" in result.stdout
    assert "no confidences" in result.stdout
    picked = result.stdout.split("picked")[1].splitlines()[2].split()
    assert float(picked[5]) <= 0.4
    document = Policy.load(policy).document
    assert [f"{document.tiers.simple.threshold:.4f}", f"{document.tiers.medium.threshold:.4f}"] == picked[:2]
    assert "# Set by tier-router matrix on " in policy.read_text("utf-8")


def test_what_matrix_promises_is_what_the_policy_does(policy: Path, tmp_path: Path) -> None:
    """Its rules and floors hold as well, whatever the thresholds are."""
    given = lines(600)
    for line in given[::3]:
        line["prompt"] = f"{line['prompt']} It is about my mortgage."
    data = tmp_path / "own.jsonl"
    data.write_text("".join(json.dumps(line) + "\n" for line in given), "utf-8")
    document = yaml.safe_load(policy.read_text("utf-8"))
    document["domains"] = {"finance": {"rules": {"terms": ["mortgage"]}}}
    policy.write_text(yaml.safe_dump(document), "utf-8")
    assert run("matrix", "--data", data, "--policy", policy, "--strong-share", "0.35").exit_code == 1
    result = run("matrix", "--data", data, "--policy", policy, "--strong-share", "0.6", "--write")
    assert result.exit_code == 0, result.output
    promised = [float(share) for share in result.stdout.split("picked")[1].splitlines()[2].split()[3:6]]
    engine = RouterEngine.from_policy(policy)
    try:
        views = [RequestView.from_chat({"messages": [{"role": "user", "content": line["prompt"]}]}) for line in given]
        decided = Counter(decision.tier for decision in asyncio.run(engine.decide_many(views)))
    finally:
        engine.close()
    assert [decided[tier] / len(given) for tier in TIERS] == pytest.approx(promised, abs=6e-4)


def test_matrix_with_confidences_speaks_of_the_gate_too(policy: Path, tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    given = [{**line, "confidence": {t: 0.9 * line["scores"][t] for t in ("simple", "medium")}} for line in lines(400)]  # type: ignore[index]
    path.write_text("".join(json.dumps(line) + "\n" for line in given), "utf-8")
    shown = run("matrix", "--data", path, "--policy", policy).stdout
    assert "gate alone" in shown
    assert "both, escalating below 0.7" in shown


def test_matrix_refuses_what_cannot_be_kept_and_writing_without_a_pick(policy: Path, tmp_path: Path) -> None:
    data = write(tmp_path / "own.jsonl", 300)
    assert run("matrix", "--data", data, "--policy", policy, "--max-cost", "0").exit_code == 1
    assert run("matrix", "--data", data, "--policy", policy, "--write").exit_code == 2
