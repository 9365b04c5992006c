"""gate and fit-gate: an answer a line, a verdict a line; labelled answers in, an artifact out."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.cli_calls import run, write_policy

LINE: dict[str, Any] = {"id": 1, "prompt": "Which?\nA. one\nB. two", "answer": "A", "model": "m"}


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    return write_policy(tmp_path)


def lines(*items: object) -> bytes:
    return b"".join((item if isinstance(item, bytes) else json.dumps(item).encode()) + b"\n" for item in items)


def judged(given: bytes, *options: str | Path, code: int = 0) -> list[dict[str, Any]]:
    result = run("gate", *options, given=given)
    assert result.exit_code == code, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_verdict_has_the_fields_of_the_contract(policy: Path) -> None:
    (found,) = judged(lines({**LINE, "conf": -1e-6, "conf_type": "answer_logprob"}), "--policy", policy)
    assert list(found) == ["id", "confidence", "verdict", "signals"]
    assert (found["id"], found["verdict"]) == (1, "trust")
    assert found["signals"]["calibration"] == "prior:*"


def test_verdicts_in_order_and_bad_lines_in_their_place(policy: Path) -> None:
    given = lines(
        {**LINE, "id": "sure", "conf": -1e-6},
        {**LINE, "id": "doubt", "conf": -0.05},
        {**LINE, "id": "guess", "conf": 0.3},
        b"nonsense",
        {**LINE, "id": "mute"},
        {**LINE, "id": "empty", "answer": "", "conf": -1e-6},
        {"id": "no answer", "prompt": "x", "model": "m"},
    )
    result = run("gate", "--policy", policy, given=given)
    assert result.exit_code == 1
    assert "2 lines could not be read; the first is -:4: is not JSON" in result.stderr
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert [one.get("verdict") for one in found] == ["trust", "review", "escalate", None, "none", "escalate", None]
    assert [one["id"] for one in found] == ["sure", "doubt", "guess", None, "mute", "empty", "no answer"]
    assert found[4]["confidence"] is None
    assert found[5]["signals"]["failures"] == ["empty"]


def test_confidence_keeps_the_order_of_saturated_answers(policy: Path) -> None:
    opinion = [{"model": "o", "answer": "A", "conf": -1e-9}]
    given = lines(*({**LINE, "id": i, "conf": -(10.0 ** -(i / 4)), "opinions": opinion} for i in range(27)))
    values = [one["confidence"] for one in judged(given, "--policy", policy)]
    assert values == sorted(set(values))
    assert values[-1] < 1.0


def test_a_second_opinion_moves_the_verdict(policy: Path) -> None:
    def asked(answer: str) -> dict[str, Any]:
        return {**LINE, "conf": -0.05, "opinions": [{"model": "o", "answer": answer, "conf": -0.001}]}

    agreed, apart = judged(lines(asked("A"), asked("B")), "--policy", policy)
    assert (agreed["verdict"], apart["verdict"]) == ("trust", "escalate")
    assert (agreed["signals"]["agreement_1"], apart["signals"]["agreement_1"]) == (1.0, 0.0)


def test_thresholds_are_the_policys(tmp_path: Path) -> None:
    strict = write_policy(tmp_path, gate={"escalate_below": 0.9999, "trust_from": 0.9999, "no_signal": "escalate"})
    found = judged(lines({**LINE, "conf": -1e-6}, LINE), "--policy", strict)
    assert [one["verdict"] for one in found] == ["escalate", "escalate"]


def test_an_artifact_that_cannot_be_used_says_the_mend(policy: Path, tmp_path: Path) -> None:
    (tmp_path / "gate.json").write_text("{}")
    result = run("gate", "--policy", policy, "--artifact", tmp_path / "gate.json", given=b"")
    assert result.exit_code == 1
    assert "tier-router fit-gate" in result.stderr


def test_the_input_is_never_overwritten(policy: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_bytes(lines(LINE))
    assert run("gate", "--input", source, "--output", source, "--policy", policy).exit_code == 2
    assert source.read_bytes() == lines(LINE)


def labelled(n: int = 120) -> list[dict[str, Any]]:
    """Model `a`: over-confident in segment `law`, where confidence tells; in `riddles` it tells nothing."""
    rng = np.random.default_rng(0)
    rows = []
    for at in range(n):
        for segment in ("law", "riddles"):
            logit = rng.normal(2.0, 2.0)
            p = 1 / (1 + math.exp(-(logit - 1.0))) if segment == "law" else 0.6
            good = rng.random() < p
            own = {"conf": -math.log1p(math.exp(-logit)), "conf_type": "answer_logprob"}
            shown = {**LINE, "id": at, "source": segment}
            rows.append({**shown, "model": "a", "answer": "A" if good else "B", "score": float(good), **own})
            rows.append(
                {**shown, "model": "b", "answer": "A", "score": 1.0, "conf": -0.01, "conf_type": "answer_logprob"}
            )
    return rows


def test_fitting_then_judging(policy: Path, tmp_path: Path) -> None:
    data, artifact = tmp_path / "rows.jsonl.gz", tmp_path / "gate.json"
    data.write_bytes(gzip.compress(lines(*labelled(), b"nonsense")))
    result = run("fit-gate", "--data", data, "--out", artifact)
    assert result.exit_code == 0, result.stderr
    assert f"1 lines were left out; the first is {data}:481: is not JSON" in result.stderr
    assert "warning: riddles, a, answer_logprob: these signals cannot tell" in result.stdout
    table = [line.split() for line in result.stdout.splitlines() if line.startswith("a ")]
    assert {(row[2], row[3], row[-1]) for row in table} >= {("law", "120", "yes"), ("riddles", "120", "NO")}
    before, after = next((float(row[5]), float(row[6])) for row in table if row[2] == "law")
    assert after < before

    sure = {**LINE, "model": "a", "conf": -1e-6, "conf_type": "answer_logprob"}
    options = ("--policy", policy, "--artifact", artifact)
    law, riddle = judged(lines({**sure, "segment": "law"}, {**sure, "segment": "riddles"}), *options)
    assert (law["verdict"], riddle["verdict"]) == ("trust", "escalate")
    assert law["signals"]["calibration"] == "law/a/answer_logprob"
    assert riddle["signals"]["informative"] is False


def test_answers_of_another_model_serve_as_opinions(tmp_path: Path) -> None:
    data, artifact = tmp_path / "rows.jsonl", tmp_path / "gate.json"
    data.write_bytes(lines(*labelled()))
    result = run("fit-gate", "--data", data, "--out", artifact, "--opinion-model", "b")
    assert result.exit_code == 0, result.stderr
    entries = json.loads(artifact.read_text())["entries"]
    assert {e["signals"] for e in entries if e["model"] == "a"} == {"answer_logprob", "answer_logprob+opinion"}
    assert {e["signals"] for e in entries if e["model"] == "b"} == {"answer_logprob"}
    unknown = run("fit-gate", "--data", data, "--out", artifact, "--opinion-model", "c")
    assert unknown.exit_code == 2
    assert "there are a, b" in " ".join(unknown.stderr.split())


def test_too_little_to_fit_writes_nothing(tmp_path: Path) -> None:
    data = tmp_path / "rows.jsonl"
    data.write_bytes(lines(*labelled(10)))
    result = run("fit-gate", "--data", data, "--out", tmp_path / "gate.json")
    assert result.exit_code == 1
    assert "too few to fit anything" in result.stderr
    assert not (tmp_path / "gate.json").exists()


@pytest.mark.parametrize("command", ["gate", "fit-gate"])
def test_each_shows_an_example(command: str) -> None:
    result = run(command, "--help")
    assert f"tier-router {command}" in result.stdout.split("Example:\n    ")[1]
